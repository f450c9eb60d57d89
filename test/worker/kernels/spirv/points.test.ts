import { expect, it } from "vitest";
import type { Affine, Fq2 } from "../../../../worker/curve.ts";
import { BASE_FIELD, SCALAR_FIELD } from "../../../../worker/field.ts";
import { POINTS_GROUP, type PointsName, points } from "../../../../worker/kernels/spirv/points.ts";
import { describeOnDevice } from "../../gpu/describe-on-device.ts";
import { runOnce } from "../../gpu/device-fixture.ts";
import { IN_G1, IN_G2, type PointCodec } from "./point-codec.ts";
import { randomsBelow } from "./random.ts";
import { expectValid } from "./validation.ts";

function suite<T extends bigint | Fq2>(codec: PointCodec<T>): void {
  const { name, group, element, encoded, decoded, xyzz } = codec;
  const degree = codec.words / 8;

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
        pairs.flatMap(([sum], i) => xyzz(sum, i % 3 ? depth(2 * i) : group.field.one)),
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

suite(IN_G1);
suite(IN_G2);
