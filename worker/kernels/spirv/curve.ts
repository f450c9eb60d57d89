/**
 * Additions on y^2 = x^3 + b (a = 0), for one invocation, over any field of `field.ts`'s interface.
 *
 * Sums are in XYZZ coordinates: x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2, and ZZ = 0 is the point at
 * infinity. Points are affine, with (0, 0) for infinity, as in a zkey. All in Montgomery form. The
 * additions are complete: infinity, equal and opposite points are branches. There must be no point of
 * order 2, and in groups of odd order there is none.
 *
 * Formulas: hyperelliptic.org/EFD, short Weierstrass, XYZZ, a = 0: madd-2008-s (8M + 2S), add-2008-s
 * (12M + 2S), dbl-2008-s-1 (6M + 4S as written here), mdbl-2008-s-1. The twin is `worker/curve.ts`.
 */
import type { Code } from "./code.ts";
import { type Element, type FieldCode, get, isZero, load, set, store, variable } from "./field.ts";
import type { Buffer, U32, Variable } from "./values.ts";

export interface AffineCode {
  readonly x: Element;
  readonly y: Element;
}

/** X, Y, ZZ, ZZZ. */
export type XyzzCode = readonly [x: Element, y: Element, zz: Element, zzz: Element];

/** A sum that is added to. */
export interface Sum {
  readonly coordinates: readonly (readonly Variable<"u32">[])[];
}

export class CurveCode {
  readonly field: FieldCode;

  constructor(field: FieldCode) {
    this.field = field;
  }

  infinity(f: Code): XyzzCode {
    const { field } = this;
    return [field.one(f), field.one(f), field.zero(f), field.zero(f)];
  }

  /** A new sum, infinity at first. */
  sum(f: Code): Sum {
    return this.sumOf(f, this.infinity(f));
  }

  sumOf(f: Code, point: XyzzCode): Sum {
    return { coordinates: point.map((coordinate) => variable(f, coordinate)) };
  }

  /** sum = infinity: ZZ = 0; what the other coordinates are does not matter then. */
  clear(f: Code, { coordinates: [, , zz] }: Sum): void {
    if (zz !== undefined) set(f, zz, this.field.zero(f));
  }

  set(f: Code, { coordinates }: Sum, point: XyzzCode): void {
    coordinates.forEach((coordinate, i) => {
      set(f, coordinate, point[i] as Element);
    });
  }

  get(f: Code, { coordinates }: Sum): XyzzCode {
    const [x, y, zz, zzz] = coordinates.map((coordinate) => get(f, coordinate));
    return [x, y, zz, zzz] as [Element, Element, Element, Element];
  }

  /** sum += point: 8M + 2S, unless a branch is taken. */
  addAffine(f: Code, sum: Sum, { x, y }: AffineCode): void {
    const { field } = this;
    f.if(f.not(f.both(isZero(f, x), isZero(f, y))), () => {
      const [x1, y1, zz1, zzz1] = this.get(f, sum);
      f.if(
        isZero(f, zz1),
        () => this.set(f, sum, [x, y, field.one(f), field.one(f)]),
        () => {
          const p = field.sub(f, field.mul(f, x, zz1), x1);
          const r = field.sub(f, field.mul(f, y, zzz1), y1);
          this.#finish(f, sum, {
            p,
            r,
            first: { x: x1, y: y1 },
            depth: () => [zz1, zzz1],
            // The affine point is the same one, and has ZZ = 1.
            doubled: () => this.#doubled(f, x, y),
          });
        },
      );
    });
  }

  /** sum += other: 12M + 2S, unless a branch is taken. */
  add(f: Code, sum: Sum, other: XyzzCode): void {
    const { field } = this;
    const [x2, y2, zz2, zzz2] = other;
    f.if(f.not(isZero(f, zz2)), () => {
      const [x1, y1, zz1, zzz1] = this.get(f, sum);
      f.if(
        isZero(f, zz1),
        () => this.set(f, sum, other),
        () => {
          const [u1, s1] = [field.mul(f, x1, zz2), field.mul(f, y1, zzz2)];
          const p = field.sub(f, field.mul(f, x2, zz1), u1);
          const r = field.sub(f, field.mul(f, y2, zzz1), s1);
          this.#finish(f, sum, {
            p,
            r,
            first: { x: u1, y: s1 },
            depth: () => [field.mul(f, zz1, zz2), field.mul(f, zzz1, zzz2)],
            doubled: () => this.#doubled(f, x1, y1, zz1, zzz1),
          });
        },
      );
    });
  }

  /** sum += sum. Infinity stays as it is, because ZZ = 0 stays. */
  double(f: Code, sum: Sum): void {
    this.set(f, sum, this.#doubled(f, ...this.get(f, sum)));
  }

  /** The sum's point at `index`. */
  load(f: Code, buffer: Buffer<"u32x4">, index: U32): XyzzCode {
    const { words } = this.field;
    const first = f.mul(index, f.u32(4));
    const at = (i: number) => load(f, buffer, f.add(first, f.u32(i)), words);
    return [at(0), at(1), at(2), at(3)];
  }

  store(f: Code, buffer: Buffer<"u32x4">, index: U32, point: XyzzCode): void {
    const first = f.mul(index, f.u32(4));
    point.forEach((coordinate, i) => {
      store(f, buffer, f.add(first, f.u32(i)), coordinate);
    });
  }

  loadAffine(f: Code, buffer: Buffer<"u32x4">, index: U32): AffineCode {
    const { words } = this.field;
    const first = f.shl(index, 1);
    const second = f.add(first, f.u32(1));
    return { x: load(f, buffer, first, words), y: load(f, buffer, second, words) };
  }

  /**
   * What both additions end with. `first` is the sum's point, scaled as `p` and `r` are: the
   * differences of the x and of the y. `depth` is the product of both ZZ, and of both ZZZ.
   */
  #finish(
    f: Code,
    sum: Sum,
    {
      p,
      r,
      first,
      depth,
      doubled,
    }: {
      readonly p: Element;
      readonly r: Element;
      readonly first: AffineCode;
      readonly depth: () => readonly [zz: Element, zzz: Element];
      readonly doubled: () => XyzzCode;
    },
  ): void {
    const { field } = this;
    f.if(
      isZero(f, p),
      () => {
        f.if(
          isZero(f, r),
          () => this.set(f, sum, doubled()),
          () => this.clear(f, sum),
        );
      },
      () => {
        const pp = field.sqr(f, p);
        const ppp = field.mul(f, p, pp);
        const q = field.mul(f, first.x, pp);
        const x = field.sub(f, field.sub(f, field.sqr(f, r), ppp), field.add(f, q, q));
        const y = field.sub(f, field.mul(f, r, field.sub(f, q, x)), field.mul(f, first.y, ppp));
        const [zz, zzz] = depth();
        this.set(f, sum, [x, y, field.mul(f, zz, pp), field.mul(f, zzz, ppp)]);
      },
    );
  }

  /** Twice the point; of an affine one where ZZ and ZZZ are left out. */
  #doubled(f: Code, x1: Element, y1: Element, zz1?: Element, zzz1?: Element): XyzzCode {
    const { field } = this;
    const u = field.add(f, y1, y1);
    const v = field.sqr(f, u);
    const w = field.mul(f, u, v);
    const s = field.mul(f, x1, v);
    const square = field.sqr(f, x1);
    const m = field.add(f, field.add(f, square, square), square);
    const x = field.sub(f, field.sqr(f, m), field.add(f, s, s));
    const y = field.sub(f, field.mul(f, m, field.sub(f, s, x)), field.mul(f, w, y1));
    const zz = zz1 === undefined ? v : field.mul(f, v, zz1);
    const zzz = zzz1 === undefined ? w : field.mul(f, w, zzz1);
    return [x, y, zz, zzz];
  }
}
