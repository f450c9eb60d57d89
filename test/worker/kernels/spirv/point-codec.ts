/** Points as kernels have them, from bigints and back. */
import { expect } from "vitest";
import { type Affine, type Fq2, G1, G2, type Group } from "../../../../worker/curve.ts";
import { BASE_FIELD, mod, readLE, writeLE } from "../../../../worker/field.ts";
import type { GroupName } from "../../../../worker/kernels/spirv/group.ts";
import { bytesOf } from "../../gpu/device-fixture.ts";

const R = 1n << 256n;

/** One of the groups with its coordinates as numbers; a GPU's sums have XYZZ coordinates. */
export interface PointCodec<T = never> {
  readonly name: GroupName;
  readonly group: Group<T>;
  /** 32-bit words of a coordinate. */
  readonly words: number;
  /** An element from as many numbers as the field has coordinates. */
  element(...coordinates: bigint[]): T;
  /** The point with ZZ = z^2; infinity with ZZ = 0 and anything else. */
  xyzz(point: Affine<T>, z: T): T[];
  /** Elements in Montgomery form, one after the other. */
  encoded(elements: readonly T[]): Uint32Array;
  /** The i-th of sums in XYZZ coordinates, which are checked to be canonical and to fit together. */
  decoded(words: Uint32Array, i: number): Affine<T>;
}

function codec<T extends bigint | Fq2>(
  name: GroupName,
  group: Group<T>,
  element: (...coordinates: bigint[]) => T,
): PointCodec<T> {
  const { field } = group;
  const coordinatesOf = (x: bigint | Fq2): bigint[] => (typeof x === "bigint" ? [x] : [...x]);
  const degree = coordinatesOf(field.zero).length;
  const invertR = field.invert(element(R % BASE_FIELD, 0n));
  return {
    ...{ name, group, element, words: 8 * degree },
    xyzz(point, z) {
      const zz = field.multiply(z, z);
      const zzz = field.multiply(zz, z);
      if (group.isInfinity(point)) return [z, zz, field.zero, field.zero];
      return [field.multiply(point.x, zz), field.multiply(point.y, zzz), zz, zzz];
    },
    encoded(elements) {
      const values = elements.flatMap(coordinatesOf);
      const words = new Uint32Array(8 * values.length);
      values.forEach((value, i) => {
        writeLE(bytesOf(words), 32 * i, mod(value * R, BASE_FIELD));
      });
      return words;
    },
    decoded(words, i) {
      const bytes = bytesOf(words);
      const coordinate = (j: number) => {
        const raw = Array.from({ length: degree }, (_, d) =>
          readLE(bytes, 32 * (degree * (4 * i + j) + d)),
        );
        for (const value of raw) expect(value < BASE_FIELD, "canonical").toBe(true);
        return field.multiply(element(...raw), invertR);
      };
      const [x, y, zz, zzz] = [coordinate(0), coordinate(1), coordinate(2), coordinate(3)];
      if (field.equals(zz, field.zero)) return group.infinity;
      const cube = field.multiply(field.multiply(zz, zz), zz);
      expect(field.equals(cube, field.multiply(zzz, zzz)), "ZZ^3 = ZZZ^2").toBe(true);
      return { x: field.multiply(x, field.invert(zz)), y: field.multiply(y, field.invert(zzz)) };
    },
  };
}

export const IN_G1 = codec<bigint>("g1", G1, (x = 0n) => x);
export const IN_G2 = codec<Fq2>("g2", G2, (real = 0n, imaginary = 0n) => [real, imaginary]);
