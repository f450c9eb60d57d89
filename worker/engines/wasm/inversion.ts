/** Inverts the quad at the end of a chain of products: four lanes with one inversion. */
import { BASE_FIELD, invert } from "../../field.ts";
import type { Degree } from "../../kernels/curve.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./scratch.ts";

export class Inversion {
  readonly #kernels: Kernels;
  readonly #degree: Degree;
  readonly #field: VectorField;
  readonly #memory: WebAssembly.Memory;
  readonly #norm: number;
  readonly #integers: number;
  #u64: BigUint64Array;

  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    degree: Degree,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#field = field;
    this.#degree = degree;
    this.#norm = region.take(32 * field.limbs);
    this.#integers = region.take(4 * 32);
    this.#u64 = new BigUint64Array(memory.buffer);
  }

  prepare(): void {
    this.#u64 = new BigUint64Array(this.#memory.buffer);
  }

  /**
   * chain = R^2 / chain in each lane (which is the inverse in Montgomery form).
   *
   * @returns false, with the chain undefined, if a lane is 0.
   */
  invert(chain: number): boolean {
    const k = this.#kernels;
    let source = chain;
    if (this.#degree === 2) {
      k.norm2(this.#norm, chain);
      source = this.#norm;
    }
    k.packQ(this.#integers, source, 4);
    const lanes = [0, 1, 2, 3].map((lane) => {
      const at = this.#integers / 8 + 4 * lane;
      let x = 0n;
      for (let w = 3; w >= 0; w--) x = (x << 64n) | (this.#u64[at + w] as bigint);
      return x;
    });
    if (lanes.includes(0n)) return false;
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint];
    const p = BASE_FIELD;
    const [ab, cd] = [(a * b) % p, (c * d) % p];
    const all = (invert((ab * cd) % p, p) * ((this.#field.radix * this.#field.radix) % p)) % p;
    const [iab, icd] = [(all * cd) % p, (all * ab) % p];
    [(iab * b) % p, (iab * a) % p, (icd * d) % p, (icd * c) % p].forEach((x, lane) => {
      for (let w = 0; w < 4; w++) {
        this.#u64[this.#integers / 8 + 4 * lane + w] = BigInt.asUintN(64, x >> BigInt(64 * w));
      }
    });
    if (this.#degree === 1) {
      k.unpackQ(chain, this.#integers, 1);
    } else {
      k.unpackQ(this.#norm, this.#integers, 1);
      k.conjugate2(chain, this.#norm);
    }
    return true;
  }
}
