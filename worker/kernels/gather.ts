/**
 * Moves points: packed ones and lanes from anywhere in memory (`curve.ts` has both forms) to where
 * additions find them, side by side.
 *
 * Limbs of packed points have no sign, and D is a difference of such: a bound for the products that
 * it goes into.
 */

import { type Degree, pointSizes } from "./curve.ts";
import type { FunctionWriter } from "./emitter.ts";
import { type Expr, i32, type Local, v128 } from "./instructions.ts";
import {
  type Arithmetic,
  type KernelWriter,
  LIMB_STRIDE,
  type Variable,
  type VectorField,
} from "./vector-field.ts";

/** Bytes of a packed coordinate's component. */
const COMPONENT_BYTES = 32;
/** Lanes in a quad. */
const LANES = 4;

/** Writes the kernels of one group into a module; their names end in the degree. */
export function writeGatherKernels(writer: KernelWriter, field: VectorField, degree: Degree): void {
  const { packed, quad, block, sums } = pointSizes(field, degree);
  const { module } = writer;
  const componentBytes = field.limbs * LIMB_STRIDE;
  const halvesOf = (f: FunctionWriter) => writer.halves(f, field);

  /**
   * touch(list, quads) -> anything. Reads the packed points of the next 4 * quads pairs and does
   * nothing with them. With so little in the loop, the processor has many cache misses under way at
   * once, which it cannot when `gatherPacked` waits for them; returns a value so that no compiler
   * drops the loads.
   */
  module.define(`touch${degree}`, ["i32", "i32"], ["i32"], (f, list, quads) => {
    const any = f.local("i32");
    const entry = f.local("i32");
    f.loop(
      () => {
        for (let k = 0; k < 2 * LANES; k++) {
          f.set(entry, i32.and(i32.load(list, 4 * k), i32.const(-2)));
          for (let offset = 0; offset < packed; offset += 64) {
            f.set(any, i32.or(any, i32.load(entry, offset)));
          }
        }
        f.advance(list, 8 * LANES);
        f.advance(quads, -1);
      },
      () => quads,
    );
    f.result(any);
  });

  /** gatherPacked(list, sums, quads): 4 * quads pairs of packed points, as {x1, y1, x2 - x1, y2}. */
  module.define(`gatherPacked${degree}`, ["i32", "i32", "i32"], [], (f, list, out, quads) => {
    const parts = halvesOf(f).map((fq) => ({
      fq,
      first: new PackedReader(f, fq),
      second: new PackedReader(f, fq),
      x1: fq.variable(),
      x2: fq.variable(),
    }));
    f.loop(
      () => {
        for (const { fq, first, second, x1, x2 } of parts) {
          const start = 16 * fq.half;
          first.open(list, [start, start + 8]);
          second.open(list, [start + 4, start + 12]);
          for (let c = 0; c < 2 * degree; c++) {
            first.read(x1, c, c >= degree);
            second.read(x2, c, c >= degree);
            fq.store(out, c * componentBytes, x1);
            fq.store(out, 2 * quad + c * componentBytes, c < degree ? fq.sub(x2, x1) : x2);
          }
        }
        f.advance(list, 8 * LANES);
        f.advance(out, sums);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /** expand(list, blocks, quads): 4 * quads packed points into lanes. */
  module.define(`expand${degree}`, ["i32", "i32", "i32"], [], (f, list, out, quads) => {
    const parts = halvesOf(f).map((fq) => ({
      fq,
      point: new PackedReader(f, fq),
      x: fq.variable(),
    }));
    f.loop(
      () => {
        for (const { fq, point, x } of parts) {
          point.open(list, [8 * fq.half, 8 * fq.half + 4]);
          for (let c = 0; c < 2 * degree; c++) {
            point.read(x, c, c >= degree);
            fq.store(out, c * componentBytes, x);
          }
        }
        f.advance(list, 4 * LANES);
        f.advance(out, block);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /** gatherLanes(list, sums, quads): 4 * quads pairs of lanes. */
  module.define(`gatherLanes${degree}`, ["i32", "i32", "i32"], [], (f, list, out, quads) => {
    const halves = halvesOf(f);
    const firsts = f.locals("i32", LANES);
    const seconds = f.locals("i32", LANES);
    const x1 = f.local("v128");
    f.loop(
      () => {
        for (let k = 0; k < LANES; k++) {
          f.set(at(firsts, k), i32.load(list, 8 * k));
          f.set(at(seconds, k), i32.load(list, 8 * k + 4));
        }
        for (let i = 0; i < 2 * degree * field.limbs; i++) {
          const offset = LIMB_STRIDE * i;
          halves.forEach((fq, h) => {
            f.set(x1, twoLanes(at(firsts, 2 * h), at(firsts, 2 * h + 1), offset));
            const x2 = twoLanes(at(seconds, 2 * h), at(seconds, 2 * h + 1), offset);
            const [second] = i < degree * field.limbs ? fq.sub([x2], [x1]) : [x2];
            f.do(v128.store(out, x1, offset + 16 * h));
            f.do(v128.store(out, second as Expr<"v128">, 2 * quad + offset + 16 * h));
          });
        }
        f.advance(list, 8 * LANES);
        f.advance(out, sums);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });

  /** regroup(list, blocks, quads): 4 * quads lanes from anywhere, side by side. */
  module.define(`regroup${degree}`, ["i32", "i32", "i32"], [], (f, list, out, quads) => {
    const lanes = f.locals("i32", LANES);
    f.loop(
      () => {
        lanes.forEach((lane, k) => {
          f.set(lane, i32.load(list, 4 * k));
        });
        for (let i = 0; i < 2 * degree * field.limbs; i++) {
          for (const half of [0, 1]) {
            const pair = twoLanes(at(lanes, 2 * half), at(lanes, 2 * half + 1), LIMB_STRIDE * i);
            f.do(v128.store(out, pair, LIMB_STRIDE * i + 16 * half));
          }
        }
        f.advance(list, 4 * LANES);
        f.advance(out, block);
        f.advance(quads, -1);
      },
      () => quads,
    );
  });
}

type Pair<T> = readonly [T, T];

/** Two packed points of one half on their way into lanes. */
class PackedReader {
  readonly #f: FunctionWriter;
  readonly #fq: Arithmetic;
  readonly #entries: readonly Local<"i32">[];
  readonly #addresses: readonly Local<"i32">[];
  readonly #words: readonly Local<"v128">[];
  readonly #sign: Local<"v128">;

  constructor(f: FunctionWriter, fq: Arithmetic) {
    this.#f = f;
    this.#fq = fq;
    this.#entries = f.locals("i32", 2);
    this.#addresses = f.locals("i32", 2);
    this.#words = f.locals("v128", 4);
    this.#sign = f.local("v128");
  }

  /** Takes two entries from a list. */
  open(list: Expr<"i32">, offsets: Pair<number>): void {
    const f = this.#f;
    offsets.forEach((offset, lane) => {
      f.set(at(this.#entries, lane), i32.load(list, offset));
      f.set(at(this.#addresses, lane), i32.and(at(this.#entries, lane), i32.const(-2)));
    });
    const [low, high] = this.#entries as Pair<Local<"i32">>;
    f.set(this.#sign, this.#fq.signs(low, high));
  }

  /** dst = component c of both points; those of y with the entries' signs. */
  read(dst: Variable, c: number, isY: boolean): void {
    const [low, high] = this.#addresses as Pair<Local<"i32">>;
    this.#words.forEach((word, w) => {
      this.#f.set(word, twoLanes(low, high, COMPONENT_BYTES * c + 8 * w));
    });
    this.#fq.unpack(dst, this.#words);
    if (isY) this.#fq.set(dst, this.#fq.negateBy(this.#sign, dst));
  }
}

function twoLanes(low: Expr<"i32">, high: Expr<"i32">, offset: number): Expr<"v128"> {
  return v128.load64Lane(high, v128.load64Zero(low, offset), 1, offset);
}

function at<T>(items: readonly T[], i: number): T {
  return items[i] as T;
}
