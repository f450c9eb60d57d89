/**
 * Horner's rule over points as a GPU leaves them: XYZZ coordinates, x = X/ZZ and y = Y/ZZZ with
 * ZZ^3 = ZZZ^2, ZZ = 0 at infinity; 32 B for each element, little-endian, canonical, in Montgomery
 * form with 2^256. Twin: Group of worker/curve.ts.
 */
import { callOf, type FunctionWriter } from "../emitter.ts";
import { i32 } from "../instructions.ts";
import { type Assembly, calls, component } from "./assembly.ts";
import type { CoordinateField, GroupKernels } from "./group.ts";
import { FQ_BYTES, toMontgomery } from "./limbs.ts";
import type { Words } from "./words.ts";

const GPU_RADIX = 1n << 256n;

/**
 * Writes (p, points, count, shift): for each of `count` points, from the last to the first:
 * p = 2^shift p + point.
 *
 * (X ZZ, Y ZZZ, ZZ) is the same point in Jacobian coordinates, without an inversion. What is read is
 * k = 2^256 times what is meant: the products k^2 times, which is Z^2's k^2 for the first, and one k
 * less than Z^3's for the second.
 */
export function writeXyzzHorner(
  assembly: Assembly,
  name: string,
  group: GroupKernels,
  field: CoordinateField,
  words: Words,
): FunctionWriter {
  const size = group.coordinateBytes;
  const elements = size / FQ_BYTES;
  const recordBytes = 4 * 32 * elements;
  const [read, jacobian] = [assembly.place(4 * size), assembly.place(3 * size)];
  const k = assembly.constant(toMontgomery(GPU_RADIX), ...new Array<bigint>(elements - 1).fill(0n));
  const [x, y, zz, zzz] = [
    read,
    component(read, 1, size),
    component(read, 2, size),
    component(read, 3, size),
  ] as const;
  return assembly.module.define(
    `${name}.hornerXyzz`,
    ["i32", "i32", "i32", "i32"],
    [],
    (f, p, points, count, shift) => {
      const left = f.local("i32");
      const { multiply, reduce } = calls(f, field);
      f.set(points, i32.add(points, i32.mul(count, i32.const(recordBytes))));
      f.while(
        () => count,
        () => {
          f.advance(points, -recordBytes);
          f.advance(count, -1);
          f.set(left, shift);
          f.while(
            () => left,
            () => {
              f.call(group.double, p);
              f.advance(left, -1);
            },
          );
          f.call(words.enter, read, points, i32.const(4 * elements));
          f.if(i32.eqz(callOf("i32", field.isZero, zz)), () => {
            multiply(jacobian, x, zz);
            multiply(y, y, zzz);
            multiply(component(jacobian, 1, size), y, k);
            reduce(component(jacobian, 2, size), zz);
            f.call(group.add, p, jacobian);
          });
        },
      );
    },
  );
}
