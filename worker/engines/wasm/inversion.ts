/** Inverts the quads at the ends of chains of products: all their lanes with one inversion. */
import { ELEMENT_BYTES } from "../../field.ts";
import { type Degree, pointSizes } from "../../kernels/curve.ts";
import type { Tower } from "../../kernels/tower.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import type { Kernels } from "./kernels.ts";
import type { Region } from "./region.ts";

export class Inversion {
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  readonly #tower: Tower;
  readonly #degree: Degree;
  /** Of a chain. */
  readonly #quads: number;
  readonly #norm: number;
  readonly #normBytes: number;
  readonly #integers: number;
  /** R^2: what turns the inverse of x R into the inverse of x, times R. */
  readonly #factor: Uint8Array;
  #bytes = new Uint8Array();

  constructor(
    kernels: Kernels,
    memory: WebAssembly.Memory,
    field: VectorField,
    tower: Tower,
    degree: Degree,
    region: Region,
  ) {
    this.#kernels = kernels;
    this.#memory = memory;
    this.#tower = tower;
    this.#degree = degree;
    const { chain, quad } = pointSizes(field, degree);
    this.#quads = chain / quad;
    this.#normBytes = 32 * field.limbs;
    this.#norm = region.take(this.#normBytes);
    this.#integers = region.take(this.#integersBytes);
    const square = (field.radix * field.radix) % field.modulus;
    this.#factor = Uint8Array.from({ length: 32 }, (_, i) =>
      Number((square >> BigInt(8 * i)) & 0xffn),
    );
  }

  get #integersBytes(): number {
    return 4 * ELEMENT_BYTES * this.#quads;
  }

  /** Call once the memory reaches the region's end. */
  prepare(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer, this.#integers, this.#integersBytes);
  }

  /** Zeroes what the last inversion has left. */
  wipe(): void {
    const bytes = new Uint8Array(this.#memory.buffer);
    bytes.fill(0, this.#norm, this.#norm + this.#normBytes);
    this.#bytes.fill(0);
  }

  /**
   * chain = 1 / chain in each lane, in Montgomery form.
   *
   * @returns false, with the chain undefined, if a lane is 0.
   */
  invert(chain: number): boolean {
    const k = this.#kernels;
    const isQuadratic = this.#degree === 2;
    const lanes = 4 * this.#quads;
    if (isQuadratic) k.norm2(this.#norm, chain);
    k.packQ(this.#integers, isQuadratic ? this.#norm : chain, lanes);
    if (this.#tower.invertBatch(this.#bytes, this.#bytes, lanes, this.#factor) > 0) return false;
    k.unpackQ(isQuadratic ? this.#norm : chain, this.#integers, this.#quads);
    if (isQuadratic) k.conjugate2(chain, this.#norm);
    return true;
  }
}
