/**
 * One instance of the one-lane program with its memory: calls by name, and numbers in and out.
 */
import { ELEMENT_BYTES, readViewLE } from "../../field.ts";
import type { GroupPlan, Program } from "./program.ts";

type Kernel = (...args: number[]) => number;

const WORD = 0xffff_ffff_ffff_ffffn;

export class Machine {
  readonly program: Program;
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #kernels: Readonly<Record<string, Kernel>>;

  constructor(program: Program) {
    this.program = program;
    const { pages } = program;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const { exports } = new WebAssembly.Instance(program.module, { env: { memory } });
    this.#kernels = exports as Readonly<Record<string, Kernel>>;
    this.bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#writeConstants();
  }

  call(name: string, ...args: number[]): number {
    return (this.#kernels[name] as Kernel)(...args);
  }

  /** Writes numbers below 2^256, 32 B each, little-endian. */
  writeWords(address: number, ...values: bigint[]): void {
    for (const [i, value] of values.entries()) {
      for (let k = 0; k < 4; k++) {
        const word = (value >> BigInt(64 * k)) & WORD;
        this.#view.setBigUint64(address + ELEMENT_BYTES * i + 8 * k, word, true);
      }
    }
  }

  /** An affine point's coordinates, canonical, into Montgomery form. */
  enter(group: GroupPlan, address: number, coordinates: readonly bigint[]): void {
    const { buffer } = this.program;
    this.writeWords(buffer, ...coordinates);
    this.call("words.enter", address, buffer, group.elements);
  }

  /** The canonical coordinates of a Jacobian point. */
  leave(group: GroupPlan, address: number): bigint[] {
    const { buffer } = this.program;
    this.call(`${group.name}.normalize`, group.affine, address);
    this.call("words.leave", buffer, group.affine, group.elements);
    return Array.from({ length: group.elements }, (_, i) =>
      readViewLE(this.#view, buffer + ELEMENT_BYTES * i),
    );
  }

  /**
   * Adds the sum of factor_k * point_k to the group's total, for the points whose tables are in the
   * group's first places.
   *
   * @param factors  each in [0, 2^256), no more than `termCapacity`.
   */
  addMultiples(group: GroupPlan, factors: readonly bigint[]): void {
    const { digits, digitsBytes, factor } = this.program;
    let length = 0;
    for (const [k, value] of factors.entries()) {
      if (value < 0n || value >> 256n !== 0n) throw new RangeError("got a factor beyond 256 bits");
      this.writeWords(factor, value);
      length = Math.max(length, this.call("recode", digits + digitsBytes * k, factor));
    }
    const { name, other, tables, total } = group;
    this.call(`${name}.sum`, other, tables, digits, factors.length, length);
    this.call(`${name}.add`, total, other);
  }

  /** Zeroes whatever may depend on a secret. */
  wipe(): void {
    const { secretBytes } = this.program;
    this.bytes.fill(0, 0, secretBytes);
    this.#writeConstants(secretBytes);
  }

  #writeConstants(end = this.bytes.length): void {
    for (const { address, bytes } of this.program.constants) {
      if (address < end) this.bytes.set(bytes, address);
    }
  }
}
