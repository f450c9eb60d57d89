import { expect, it } from "vitest";
import { type Affine, type Fq2, G1, G2, type Group } from "../../../../worker/curve.ts";
import { BASE_FIELD, mod, readLE, SCALAR_FIELD, writeLE } from "../../../../worker/field.ts";
import { POINTS_GROUP, type PointsName, points } from "../../../../worker/kernels/spirv/points.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { bytesOf, runOnce } from "../../gpu/device-fixture.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

const R = 1n << 256n;
const coordinatesOf = (x: bigint | Fq2): bigint[] => (typeof x === "bigint" ? [x] : [...x]);

/** Coordinates in Montgomery form, one after the other. */
function encoded(elements: readonly (bigint | Fq2)[]): Uint32Array {
  const values = elements.flatMap(coordinatesOf);
  const words = new Uint32Array(8 * values.length);
  values.forEach((value, i) => {
    writeLE(bytesOf(words), 32 * i, mod(value * R, BASE_FIELD));
  });
  return words;
}

function suite<T extends bigint | Fq2>(
  group: Group<T>,
  name: "g1" | "g2",
  /** From as many numbers as the field has coordinates. */
  element: (...coordinates: bigint[]) => T,
): void {
  const { field } = group;
  const degree = coordinatesOf(field.zero).length;
  const invertR = field.invert(element(R % BASE_FIELD, 0n));

  /** The point with some ZZ = z^2; infinity with ZZ = 0 and anything else. */
  const xyzz = (point: Affine<T>, z: T): T[] => {
    const zz = field.multiply(z, z);
    const zzz = field.multiply(zz, z);
    if (group.isInfinity(point)) return [z, zz, field.zero, field.zero];
    return [field.multiply(point.x, zz), field.multiply(point.y, zzz), zz, zzz];
  };

  const decoded = (words: Uint32Array, i: number): Affine<T> => {
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
  };

  describeOnDevice(`worker / kernels / spirv / points of ${name}`, (device) => {
    it.each<PointsName>(["addAffine", "add", "double"])("%s equals its twin", async (operation) => {
      const seed = `${name} ${operation}`;
      const p = group.multiply(group.generator, 0x1234_5678_9abcn);
      const q = group.multiply(group.generator, SCALAR_FIELD - 77n);
      const special = [group.infinity, p, group.negate(p), q, group.generator, group.add(p, p)];
      const pairs = special.flatMap((a) => special.map((b) => [a, b] as const));
      // Chains of additions: multiples of random points, at the price of an addition each.
      const random = randomsBelow(SCALAR_FIELD, 4, seed).map((s) => group.multiply(p, s));
      const [start, step, other, stride] = random as [Affine<T>, Affine<T>, Affine<T>, Affine<T>];
      let [a, b] = [start, other];
      for (let i = 0; i < (name === "g1" ? 2000 : 300); i++) {
        pairs.push([a, b]);
        [a, b] = [group.add(a, step), group.add(b, stride)];
      }
      while (pairs.length % POINTS_GROUP !== 1) pairs.pop();
      const depths = randomsBelow(BASE_FIELD, 2 * degree * pairs.length, `${seed} depths`);
      const depth = (i: number) => element(...depths.slice(degree * i, degree * (i + 1)));
      const sums = encoded(
        pairs.flatMap(([sum], i) => xyzz(sum, i % 3 ? depth(2 * i) : field.one)),
      );
      const others = encoded(
        pairs.flatMap(([, point], i) =>
          operation === "add" ? xyzz(point, depth(2 * i + 1)) : [point.x, point.y],
        ),
      );
      const code = points(operation, name);
      expectValid(code);
      const groups = [Math.ceil(pairs.length / POINTS_GROUP), 1, 1] as const;
      const [out] = await runOnce(await device(), code, [sums, others], [pairs.length], groups);
      pairs.forEach(([sum, point], i) => {
        const expected = operation === "double" ? group.add(sum, sum) : group.add(sum, point);
        expect(decoded(out as Uint32Array, i), `pair ${i}; seed ${seed}`).toEqual(expected);
      });
    });
  });
}

suite(G1, "g1", (x = 0n) => x);
suite(G2, "g2", (real = 0n, imaginary = 0n) => [real, imaginary]);
