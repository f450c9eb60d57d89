import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compiled, fieldsOf } from "../../../worker/engines/wasm/kernels.ts";
import { mod } from "../../../worker/field.ts";
import { calledField } from "../../../worker/kernels/called-field.ts";
import type { FunctionWriter } from "../../../worker/kernels/emitter.ts";
import { type Local, v128 } from "../../../worker/kernels/instructions.ts";
import {
  type Arithmetic,
  type Element,
  KernelWriter,
  type Variable,
  type VectorField,
} from "../../../worker/kernels/vector-field.ts";
import {
  canonical,
  describeOnPaths,
  edges,
  isFma,
  isNormalised,
  montgomeryProduct,
  type Path,
  quadBytes,
  sizeIn,
  VectorMemory,
  valueOfLimbs,
} from "./vector-instance.ts";

const LANES = [0, 1, 2, 3] as const;

/** Each operation of a field as a kernel over one quad. */
class FieldInstance {
  readonly field: VectorField;
  readonly memory = new VectorMemory(1);
  readonly #kernels: Record<string, (...args: number[]) => void>;

  constructor({ name, options }: Path, which: "fq" | "fr", isCalled: boolean) {
    this.field = fieldsOf(options)[which];
    const writer = new KernelWriter(1024, options.revectorize);
    writeOperations(writer, isCalled ? calledField(this.field) : this.field);
    const label = `${name} ${which} ${isCalled}`;
    const bytes = writer.module.bytes({ minimumPages: 1, maximumPages: 65536, label });
    const module = compiled(bytes, options.revectorize);
    const { memory } = this.memory;
    writer.constants.write(memory.buffer);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#kernels = exports as Record<string, (...args: number[]) => void>;
  }

  /** @param operands  For each, the limbs of four lanes. @returns limbs of four lanes. */
  run(name: string, ...operands: readonly Lanes[]): Lanes {
    const { field, memory } = this;
    memory.clear();
    const addresses = operands.map((lanes) => {
      const address = memory.take(quadBytes(field));
      lanes.forEach((limbs, lane) => {
        memory.putLimbs(field, address + 8 * lane, limbs);
      });
      return address;
    });
    return this.call(name, ...addresses);
  }

  call(name: string, ...args: number[]): Lanes {
    const dst = this.memory.take(quadBytes(this.field));
    (this.#kernels[name] as (...args: number[]) => void)(dst, ...args);
    return LANES.map((lane) => this.memory.limbs(this.field, dst + 8 * lane));
  }
}

/** For each lane, its limbs. */
type Lanes = readonly (readonly bigint[])[];

function writeOperations(writer: KernelWriter, field: VectorField): void {
  const define = (
    name: string,
    parameters: number,
    write: (fq: Arithmetic, dst: Variable, pointers: Local<"i32">[], f: FunctionWriter) => void,
  ) => {
    const types = Array.from({ length: 1 + parameters }, () => "i32" as const);
    writer.module.define(name, types, [], (f, out, ...pointers) => {
      const halves = writer.halves(f, field).map((fq) => ({ fq, dst: fq.variable() }));
      type Half = (typeof halves)[number];
      writer.forHalves(f, halves as [Half, Half], ({ fq, dst }) => {
        write(fq, dst, pointers, f);
        fq.store(out as Local<"i32">, 0, dst);
      });
    });
  };
  /** Operations whose operands are quads in memory. */
  const onQuads = (
    name: string,
    operands: number,
    write: (fq: Arithmetic, dst: Variable, operands: Element[]) => void,
  ) =>
    define(name, operands, (fq, dst, pointers) => {
      write(
        fq,
        dst,
        pointers.map((pointer) => fq.load(pointer, 0)),
      );
    });
  type Two = [Element, Element];
  type Four = [Element, Element, Element, Element];
  onQuads("mul", 2, (fq, dst, operands) => fq.mul(dst, ...(operands as Two)));
  onQuads("mulInPlace", 2, (fq, dst, [a, b]) => {
    fq.set(dst, a as Element);
    fq.mul(dst, dst, b as Element);
  });
  onQuads("mulSum", 4, (fq, dst, operands) => fq.mulSum(dst, ...(operands as Four)));
  onQuads("mulSumInPlace", 4, (fq, dst, [a, b, c, d]) => {
    fq.set(dst, d as Element);
    fq.mulSum(dst, a as Element, b as Element, c as Element, dst);
  });
  onQuads("square", 1, (fq, dst, [a]) => fq.square(dst, a as Element));
  onQuads("squareInPlace", 1, (fq, dst, [a]) => {
    fq.set(dst, a as Element);
    fq.square(dst, dst);
  });
  onQuads("reduce", 1, (fq, dst, [a]) => {
    fq.set(dst, a as Element);
    fq.reduce(dst);
  });
  onQuads("add", 2, (fq, dst, operands) => fq.set(dst, fq.add(...(operands as Two))));
  onQuads("sub", 2, (fq, dst, operands) => fq.set(dst, fq.sub(...(operands as Two))));
  onQuads("neg", 1, (fq, dst, [a]) => fq.set(dst, fq.neg(a as Element)));
  onQuads("butterfly", 1, (fq, dst, [a]) => fq.set(dst, fq.butterfly(a as Element)));
  // negate(dst, a, low, high): lanes by bit 0 of two numbers, the same in both halves
  define("negate", 3, (fq, dst, [a, low, high]) => {
    const mask = fq.signs(low as Local<"i32">, high as Local<"i32">);
    fq.set(dst, fq.negateBy(mask, fq.load(a as Local<"i32">, 0)));
  });
  // unpack(dst, words): 4 words, each as a quad of one limb
  define("unpack", 1, (fq, dst, [source], f) => {
    const words = f.locals("v128", 4);
    words.forEach((word, w) => {
      f.set(word, v128.load(source as Local<"i32">, 32 * w + 16 * fq.half));
    });
    fq.unpack(dst, words);
  });
  writer.module.define("copyLimbs", ["i32", "i32"], [], (f, out, a) => {
    for (let i = 0; i < 4 * field.limbs; i++) {
      f.do(field.storeLimb(out, field.loadLimb(a, 8 * i), 8 * i));
    }
  });
}

/** Limbs at most `size` in size, often at an edge; the value at most `bound` times p. */
function limbsWithin(field: VectorField, size: bigint, bound: number): fc.Arbitrary<bigint[]> {
  const within = (most: bigint) => {
    const half = 1n << BigInt(field.limbBits - 1);
    const special = [0n, 1n, half - 1n, half, half + 1n, 2n * half - 1n, 2n * half, most - 1n, most]
      .filter((limb) => limb <= most)
      .flatMap((limb) => [limb, -limb]);
    return fc.oneof(fc.constantFrom(...special), fc.bigInt({ min: -most, max: most }));
  };
  const top = topWithin(field, bound);
  return fc
    .tuple(
      fc.array(within(size), { minLength: field.limbs - 1, maxLength: field.limbs - 1 }),
      within(top < size ? top : size),
    )
    .map(([lower, highest]) => [...lower, highest]);
}

/** The largest top limb of a value that is surely below `bound` times p. */
function topWithin({ modulus, limbs, limbBits }: VectorField, bound: number): bigint {
  const scaled = (modulus * BigInt(Math.round(bound * 2 ** 20))) >> 20n;
  return (scaled >> BigInt(limbBits * (limbs - 1))) - 8n;
}

function fourOf<T>(lane: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(lane, { minLength: 4, maxLength: 4 });
}

const RUNS = { numRuns: 100 };

describeOnPaths("worker / kernels / vector field", (path) => {
  for (const which of ["fq", "fr"] as const) {
    for (const isCalled of [false, true]) {
      // Calls and the revectorizer exclude each other.
      if (isCalled && path.options.revectorize) continue;
      describe(`${which}${isCalled ? ", products called" : ""}`, () => {
        arithmetic(new FieldInstance(path, which, isCalled), path.options.checked ?? false);
      });
    }
  }
});

function arithmetic(instance: FieldInstance, isChecked: boolean): void {
  const { field } = instance;
  const { modulus, radix, limbBits, limbs: count } = field;
  const base = 1n << BigInt(limbBits);
  /** The square of a limb may be half that of the base. */
  const largestSquared = BigInt(Math.floor(Math.SQRT1_2 * 2 ** limbBits));
  const ratio = Number(modulus) / Number(radix);
  const value = (limbs: readonly bigint[] | undefined) =>
    valueOfLimbs(field, limbs as readonly bigint[]);
  const product = (a: readonly bigint[] | undefined, b: readonly bigint[] | undefined) =>
    montgomeryProduct(field, value(a), value(b));
  /** Lower limbs all `lower`, the top one as large as the value may be. */
  const extreme = (lower: bigint, bound: number) => {
    const top = topWithin(field, bound);
    const size = lower < 0n ? -lower : lower;
    const highest = top < size ? top : size;
    return [...new Array<bigint>(count - 1).fill(lower), lower < 0n ? -highest : highest];
  };

  it("multiplies operands up to the bounds, into bounds", () => {
    for (const [sizeA, sizeB] of [
      [base / 2n, base / 2n],
      [base, base],
      [2n * base, base / 2n],
      [base / 2n, 2n * base],
    ] as const) {
      fc.assert(
        fc.property(
          fourOf(limbsWithin(field, sizeA, 2)),
          fourOf(limbsWithin(field, sizeB, 2)),
          (a, b) => {
            const result = instance.run("mul", a, b);
            for (const lane of LANES) {
              expect(mod(value(result[lane]), modulus)).toBe(product(a[lane], b[lane]));
              expect(isNormalised(field, result[lane] ?? [], 4 * ratio + 0.501)).toBe(true);
            }
            expect(instance.run("mulInPlace", a, b)).toEqual(result);
          },
        ),
        RUNS,
      );
    }
  });

  it("multiplies canonical numbers", () => {
    const number = canonical(modulus);
    fc.assert(
      fc.property(fourOf(number), fourOf(number), (a, b) => {
        instance.memory.clear();
        const [x, y] = [instance.memory.quads(field, a), instance.memory.quads(field, b)];
        const result = instance.call("mul", x, y);
        for (const lane of LANES) {
          const expected = montgomeryProduct(field, a[lane] as bigint, b[lane] as bigint);
          expect(mod(value(result[lane]), modulus)).toBe(expected);
        }
      }),
      RUNS,
    );
  });

  it("multiplies all limbs at their extremes", () => {
    const sizes = [base / 2n - 1n, base / 2n, base - 1n, base];
    for (const x of sizes.flatMap((size) => [extreme(size, 2), extreme(-size, 2)])) {
      for (const y of sizes.flatMap((size) => [extreme(size, 2), extreme(-size, 2)])) {
        const result = instance.run("mul", [x, y, x, y], [y, y, x, x]);
        const pairs = [
          [x, y],
          [y, y],
          [x, x],
          [y, x],
        ] as const;
        for (const lane of LANES) {
          expect(mod(value(result[lane]), modulus)).toBe(
            product(pairs[lane]?.[0], pairs[lane]?.[1]),
          );
        }
      }
    }
  });

  it("is right where the digit of a Montgomery row is a tie of rounding", () => {
    // With 1 as the other factor, the columns that rows clear are the limbs themselves.
    const one = [1n, ...new Array<bigint>(count - 1).fill(0n)];
    const limb = fc.constantFrom(
      ...[base / 2n, base / 2n - 1n, base / 2n + 1n, 0n, 1n].flatMap((x) => [x, -x]),
    );
    const sparse = fc
      .tuple(limb, limb, fc.boolean())
      .map(([x, y, isLow]) => [
        ...new Array<bigint>(count - 2).fill(isLow ? x : 0n),
        x,
        isLow ? 0n : y / 2n,
      ]);
    fc.assert(
      fc.property(fourOf(sparse), fourOf(sparse), (a, b) => {
        const left = [one, one, a[2] as Row, a[3] as Row];
        const result = instance.run("mul", left, b);
        for (const lane of LANES) {
          expect(mod(value(result[lane]), modulus)).toBe(product(left[lane], b[lane]));
        }
      }),
      RUNS,
    );
  });

  it("adds two products up to the bounds before it reduces", () => {
    for (const [sizeA, sizeB] of [
      [base, base],
      [2n * base, base / 2n],
    ] as const) {
      const left = fourOf(limbsWithin(field, sizeA, 1.6));
      const right = fourOf(limbsWithin(field, sizeB, 1.6));
      fc.assert(
        fc.property(left, right, left, right, (a, b, c, d) => {
          const result = instance.run("mulSum", a, b, c, d);
          for (const lane of LANES) {
            const expected = product(a[lane], b[lane]) + product(c[lane], d[lane]);
            expect(mod(value(result[lane]), modulus)).toBe(expected % modulus);
            const bound = 2 * 1.6 ** 2 * ratio + 0.501;
            expect(isNormalised(field, result[lane] ?? [], bound)).toBe(true);
          }
          expect(instance.run("mulSumInPlace", a, b, c, d)).toEqual(result);
        }),
        RUNS,
      );
    }
    for (const sign of [1n, -1n]) {
      const [x, y] = [extreme(base, 1.6), extreme(sign * base, 1.6)];
      const four = [x, x, x, x];
      const result = instance.run("mulSum", four, [y, y, y, y], four, [y, y, y, y]);
      expect(mod(value(result[0]), modulus)).toBe((2n * product(x, y)) % modulus);
    }
  });

  it("squares as it multiplies", () => {
    fc.assert(
      fc.property(fourOf(limbsWithin(field, largestSquared, 2)), (a) => {
        const result = instance.run("square", a);
        for (const lane of LANES) {
          expect(mod(value(result[lane]), modulus)).toBe(product(a[lane], a[lane]));
          expect(isNormalised(field, result[lane] ?? [], 4 * ratio + 0.501)).toBe(true);
        }
        expect(instance.run("squareInPlace", a)).toEqual(result);
      }),
      RUNS,
    );
  });

  it("reduces sums of up to ten halves of the base and five times p", () => {
    const sum = limbsWithin(field, (5n * base) / 2n, 5.5);
    fc.assert(
      fc.property(fourOf(sum), (a) => {
        const result = instance.run("reduce", a);
        for (const lane of LANES) {
          expect(mod(value(result[lane]), modulus)).toBe(mod(value(a[lane]), modulus));
          expect(isNormalised(field, result[lane] ?? [], 0.5 + 2 ** -11)).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("reduces lambda^2 - 2 x1 - D of G2, whose limbs are from -6 to 2 halves of the base", () => {
    const half = base / 2n;
    const limb = fc.oneof(
      fc.constantFrom(-6n * half, 1n - 6n * half, 2n * half - 1n, 2n * half),
      fc.bigInt({ min: -6n * half, max: 2n * half }),
    );
    const modulusTop = modulus >> BigInt(field.limbBits * (field.limbs - 1));
    const most = (bound: number) => BigInt(Math.floor(bound * Number(modulusTop)));
    const top = fc.oneof(
      fc.constantFrom(most(-4.31), most(-3.51), most(1.51), most(2.31)),
      fc.bigInt({ min: most(-4.31), max: most(2.31) }),
    );
    const lower = fc.array(limb, { minLength: field.limbs - 1, maxLength: field.limbs - 1 });
    const limbs = fc.tuple(lower, top).map(([low, high]) => [...low, high]);
    fc.assert(
      fc.property(fourOf(limbs), (a) => {
        const result = instance.run("reduce", a);
        for (const lane of LANES) {
          expect(mod(value(result[lane]), modulus)).toBe(mod(value(a[lane]), modulus));
          expect(isNormalised(field, result[lane] ?? [], 0.5 + 2 ** -11)).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("reduces multiples of p, and what is next to them, to nothing", () => {
    for (let k = -5n; k <= 5n; k++) {
      for (const near of [-1n, 0n, 1n]) {
        const small = near + k * modulus;
        instance.memory.clear();
        const result = instance.call("reduce", instance.memory.quads(field, [small, small, 0n]));
        expect(value(result[0])).toBe(near);
        expect(value(result[1])).toBe(near);
        expect(value(result[2])).toBe(0n);
      }
    }
  });

  it("adds, subtracts and negates limb by limb", () => {
    const operand = fourOf(limbsWithin(field, base, 2));
    const bit = fc.integer({ min: 0, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(operand, operand, bit, bit, (a, b, low, high) => {
        const lanewise = (combine: (x: bigint, y: bigint) => bigint) =>
          a.map((limbs, lane) => limbs.map((x, i) => combine(x, (b[lane] as Row)[i] as bigint)));
        expect(instance.run("add", a, b)).toEqual(lanewise((x, y) => x + y));
        expect(instance.run("sub", a, b)).toEqual(lanewise((x, y) => x - y));
        expect(instance.run("neg", a)).toEqual(lanewise((x) => -x));
        const signs = [low, high, low, high].map((flags) => (flags & 1 ? -1n : 1n));
        instance.memory.clear();
        const address = instance.memory.take(quadBytes(field));
        a.forEach((limbs, lane) => {
          instance.memory.putLimbs(field, address + 8 * lane, limbs);
        });
        expect(instance.call("negate", address, low, high)).toEqual(
          a.map((limbs, lane) => limbs.map((x) => x * (signs[lane] as bigint))),
        );
        const [a0, a1, a2, a3] = a as unknown as [Row, Row, Row, Row];
        const pairwise = (x: Row, y: Row, sign: bigint) =>
          x.map((limb, i) => limb + sign * (y[i] as bigint));
        expect(instance.run("butterfly", a)).toEqual([
          pairwise(a0, a1, 1n),
          pairwise(a0, a1, -1n),
          pairwise(a2, a3, 1n),
          pairwise(a2, a3, -1n),
        ]);
      }),
      RUNS,
    );
  });

  it("unpacks integers of 256 bits into limbs without a sign", () => {
    const word = fc.oneof(
      fc.constantFrom(...edges(1n << 256n), (1n << 256n) - 1n),
      fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
    );
    fc.assert(
      fc.property(fourOf(word), (integers) => {
        instance.memory.clear();
        const address = instance.memory.take(4 * 32);
        integers.forEach((integer, lane) => {
          for (let w = 0; w < 4; w++) {
            instance.memory.u64[address / 8 + 4 * w + lane] = BigInt.asUintN(
              64,
              integer >> BigInt(64 * w),
            );
          }
        });
        const result = instance.call("unpack", address);
        expect(result.map(value)).toEqual(integers);
        for (const limb of result.flatMap((limbs) => limbs.slice(0, -1))) {
          expect(limb >= 0n && limb < base).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("reads and writes limbs as integers", () => {
    fc.assert(
      fc.property(fourOf(limbsWithin(field, base - 1n, 4)), (a) => {
        expect(instance.run("copyLimbs", a)).toEqual(a);
      }),
      RUNS,
    );
  });

  it("writes numbers in signed limbs, and reads them", () => {
    for (const edge of edges(modulus).flatMap((x) => [x, -x])) {
      const bits = field.limbsOf(edge);
      expect(bits).toHaveLength(count);
      expect(field.valueOf(bits)).toBe(edge);
      instance.memory.clear();
      const address = instance.memory.quads(field, [edge]);
      expect(isNormalised(field, instance.memory.limbs(field, address), 1)).toBe(true);
    }
  });

  if (isChecked)
    it("notices in a checked build that an operand is out of bounds", () => {
      const zero = new Array<bigint>(count).fill(0n);
      /** A limb in one place of one lane, 0 elsewhere. */
      const alone = (lane: number, i: number, limb: bigint) =>
        LANES.map((l) => (l === lane ? zero.with(i, limb) : zero));
      for (const lane of LANES) {
        for (let i = 0; i < count - 1; i++) {
          for (const sign of [1n, -1n]) {
            const [most, more] = [alone(lane, i, sign * base), alone(lane, i, sign * (base + 1n))];
            const largest = alone(lane, i, sign * largestSquared);
            const larger = alone(lane, i, sign * (largestSquared + 1n));
            for (const [inside, outside] of [
              [() => instance.run("mul", most, most), () => instance.run("mul", more, most)],
              [() => instance.run("mul", most, most), () => instance.run("mul", most, more)],
              [() => instance.run("square", largest), () => instance.run("square", larger)],
              [
                () => instance.run("mulSum", most, most, most, most),
                () => instance.run("mulSum", most, most, more, most),
              ],
            ] as const) {
              expect(inside).not.toThrow();
              expect(outside, `lane ${lane}, limb ${i}`).toThrow("unreachable");
            }
            const huge = alone(lane, i, sign * 4n * base);
            expect(() => instance.run("reduce", alone(lane, i, sign * 3n * base))).not.toThrow();
            expect(() => instance.run("reduce", huge)).toThrow("unreachable");
          }
        }
      }
    });

  if (isChecked && !isFma(field))
    it("notices a limb that 32 bits do not hold", () => {
      const [most, more] = [2n * base, 2n * base + 1n].map((limb) =>
        LANES.map(() => [...new Array<bigint>(count - 1).fill(0n), limb]),
      ) as unknown as [Lanes, Lanes];
      const one = LANES.map(() => [1n, ...new Array<bigint>(count - 1).fill(0n)]);
      expect(() => instance.run("mul", most, one)).not.toThrow();
      expect(() => instance.run("mul", one, more)).toThrow("unreachable");
    });

  if (isChecked && isFma(field))
    it("notices a value whose top digit has no room", () => {
      const top = (digit: bigint) => LANES.map(() => [0n, 0n, 0n, 0n, digit]);
      const [small, large] = [top(base / 2n), top(base)];
      expect(() => instance.run("mulSum", small, large, small, large)).not.toThrow();
      expect(() => instance.run("mulSum", large, large, large, large)).toThrow("unreachable");
      expect(sizeIn(field, base << 204n)).toBeGreaterThan(2.6);
    });
}

type Row = readonly bigint[];
