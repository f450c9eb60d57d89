/** The memory of a key while it is being filled. */
import { WorkError } from "../../errors.ts";
import { ELEMENT_BYTES } from "../../field.ts";
import type { VectorField } from "../../kernels/vector-field.ts";
import {
  type CompiledKernels,
  FIRST_FREE,
  type Fields,
  fieldsOf,
  instantiate,
  type Kernels,
  MAX_PAGES,
} from "./kernels.ts";
import { grow, Region } from "./region.ts";

/** Numbers that are converted at once. */
const STAGE_ELEMENTS = 1024;

export class KeyMemory {
  readonly memory = newMemory();
  readonly region = new Region(FIRST_FREE);
  readonly kernels: Kernels;
  readonly fields: Fields;
  /** A quad for a factor. */
  readonly factor: number;
  readonly #stage: number;

  /** @throws WorkError KEY_REFUSED if this process has no room for another memory. */
  constructor(compiled: CompiledKernels) {
    this.kernels = instantiate(compiled, this.memory, true);
    this.fields = fieldsOf(compiled.options);
    const { limbs } = this.fields.fr;
    this.factor = this.region.take(32 * limbs);
    this.#stage = this.region.take(8 * limbs * STAGE_ELEMENTS);
    this.reach(this.region.end);
  }

  /** Makes addresses below `end` usable. @throws WorkError KEY_REFUSED if that is too much. */
  reach(end: number): void {
    grow(this.memory, end);
  }

  /** Addresses for `size` bytes that are usable at once. */
  take(size: number): number {
    const address = this.region.take(size);
    this.reach(this.region.end);
    return address;
  }

  /** All four lanes of the quad at an address. */
  fillQuad(address: number, field: VectorField, value: bigint): void {
    const words = new BigUint64Array(this.memory.buffer);
    field.limbsOf(value).forEach((limb, i) => {
      words.fill(limb, address / 8 + 4 * i, address / 8 + 4 * i + 4);
    });
  }

  /** Multiplies `count` scalars of 32 B, canonical before and after, by factor / R. */
  scale(address: number, count: number, factor: bigint): void {
    const { fr } = this.fields;
    const k = this.kernels;
    this.fillQuad(this.factor, fr, factor % fr.modulus);
    for (let first = 0; first < count; first += STAGE_ELEMENTS) {
      const some = Math.min(STAGE_ELEMENTS, count - first);
      const quads = Math.ceil(some / 4);
      const at = address + ELEMENT_BYTES * first;
      k.unpackR(this.#stage, at, quads);
      k.scaleR(this.#stage, this.#stage, this.factor, quads);
      k.packR(at, this.#stage, some);
    }
  }
}

function newMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
  } catch (cause) {
    throw new WorkError(
      "KEY_REFUSED",
      "no address space is left for another key: each takes 4 GiB of it; release keys, or raise the limit (ulimit -v)",
      {},
      { cause },
    );
  }
}
