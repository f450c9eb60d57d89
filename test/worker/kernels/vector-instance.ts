import fc from "fast-check";
import { describe } from "vitest";
import { chooseKernels } from "../../../worker/engines/wasm/choice.ts";
import {
  type CompileOptions,
  compileKernels,
  FIRST_FREE,
  type Fields,
  fieldsOf,
  instantiate,
  type Kernels,
} from "../../../worker/engines/wasm/kernels.ts";
import { invert, mod } from "../../../worker/field.ts";
import { LIMB_STRIDE, type VectorField } from "../../../worker/kernels/vector-field.ts";

/** A way to compute, by which tests are parametrised. */
export interface Path {
  readonly name: string;
  readonly options: CompileOptions;
  /** Why it cannot run here. */
  readonly whyUnavailable: string | undefined;
}

const whyNoFma = await chooseKernels({ kernels: "fma", revectorize: false }, async () => undefined)
  .then(() => undefined)
  .catch((error: Error) => error.message);

/**
 * Checked builds trap when a number leaves its bounds. Where V8 has no revectorizer, or the processor
 * no 256-bit vectors, "revectorized" runs the same code in 128-bit vectors (`paths.test.ts` looks
 * whether it is packed). Each path is a module of its own even where two have the same code, because
 * their options are part of its bytes: V8 compiles equal bytes once.
 */
export const PATHS: readonly Path[] = [
  pathOf("fma, revectorized", { representation: "fma", revectorize: true }),
  pathOf("fma", { representation: "fma", revectorize: false }),
  pathOf("extmul", { representation: "extmul", revectorize: false }),
  pathOf("fma, checked", { representation: "fma", revectorize: false, checked: true }),
  pathOf("extmul, checked", { representation: "extmul", revectorize: false, checked: true }),
];

function pathOf(name: string, options: CompileOptions): Path {
  return { name, options, whyUnavailable: options.representation === "fma" ? whyNoFma : undefined };
}

/** Describes a unit once for each path; those that cannot run here are skipped with the reason. */
export function describeOnPaths(unit: string, suite: (path: Path) => void): void {
  for (const path of PATHS) {
    const reason = path.whyUnavailable === undefined ? "" : `: ${path.whyUnavailable}`;
    describe.skipIf(reason !== "")(`${unit} (${path.name}${reason})`, () => suite(path));
  }
}

/** A memory to lay numbers out in. */
export class VectorMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly #f64: Float64Array;
  #next = FIRST_FREE;

  /** @param megabytes  Of room. */
  constructor(megabytes: number) {
    const pages = 16 * megabytes + FIRST_FREE / 65536;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
    this.u64 = new BigUint64Array(this.memory.buffer);
    this.#f64 = new Float64Array(this.memory.buffer);
  }

  /** @returns a multiple of 64, filled with zeros. */
  take(bytes: number): number {
    const address = this.#next;
    this.#next += Math.ceil(bytes / 64) * 64;
    if (this.#next > this.bytes.length) throw new Error("the test's memory is too small");
    this.bytes.fill(0, address, this.#next);
    return address;
  }

  /** Gives back everything that was taken. */
  clear(): void {
    this.#next = FIRST_FREE;
  }

  /** Consecutive u32. */
  list(values: readonly number[]): number {
    const address = this.take(4 * values.length + 64);
    this.u32.set(values, address / 4);
    return address;
  }

  words(address: number, count: number): number[] {
    return [...this.u32.subarray(address / 4, address / 4 + count)];
  }

  /** Consecutive integers of 32 bytes. */
  integers(values: readonly bigint[]): number {
    const address = this.take(32 * values.length);
    values.forEach((value, i) => {
      this.putInteger(address + 32 * i, value);
    });
    return address;
  }

  putInteger(address: number, value: bigint): void {
    for (let w = 0; w < 4; w++) {
      this.u64[address / 8 + w] = BigInt.asUintN(64, value >> BigInt(64 * w));
    }
  }

  integer(address: number): bigint {
    return [3, 2, 1, 0].reduce(
      (sum, w) => (sum << 64n) | (this.u64[address / 8 + w] as bigint),
      0n,
    );
  }

  /** Number i of an array of quads. */
  laneOf(field: VectorField, address: number, i: number): number {
    return address + quadBytes(field) * Math.floor(i / 4) + 8 * (i % 4);
  }

  /** Quads of consecutive numbers, |value| < p. */
  quads(field: VectorField, values: readonly bigint[]): number {
    const address = this.take(quadBytes(field) * Math.ceil(values.length / 4));
    values.forEach((value, i) => {
      this.put(field, this.laneOf(field, address, i), value);
    });
    return address;
  }

  put(field: VectorField, lane: number, value: bigint): void {
    field.limbsOf(value).forEach((bits, i) => {
      this.u64[(lane + LIMB_STRIDE * i) / 8] = bits;
    });
  }

  putLimbs(field: VectorField, lane: number, limbs: readonly bigint[]): void {
    limbs.forEach((limb, i) => {
      const at = (lane + LIMB_STRIDE * i) / 8;
      if (isFma(field)) this.#f64[at] = Number(limb);
      else this.u64[at] = BigInt.asUintN(64, limb);
    });
  }

  /** As they stand, as integers. */
  limbs(field: VectorField, lane: number): bigint[] {
    return Array.from({ length: field.limbs }, (_, i) => {
      const at = (lane + LIMB_STRIDE * i) / 8;
      return isFma(field)
        ? BigInt(this.#f64[at] as number)
        : BigInt.asIntN(64, this.u64[at] as bigint);
    });
  }

  /** The integer in a lane, not reduced. */
  get(field: VectorField, lane: number): bigint {
    return valueOfLimbs(field, this.limbs(field, lane));
  }

  values(field: VectorField, address: number, count: number): bigint[] {
    return Array.from({ length: count }, (_, i) => this.get(field, this.laneOf(field, address, i)));
  }
}

/** All kernels of one path over a memory. */
export class VectorInstance extends VectorMemory {
  readonly kernels: Kernels;
  readonly fields: Fields;

  constructor({ options }: Path, megabytes = 4) {
    super(megabytes);
    this.kernels = instantiate(compileKernels(options), this.memory, true);
    this.fields = fieldsOf(options);
  }
}

export function quadBytes(field: VectorField): number {
  return LIMB_STRIDE * field.limbs;
}

export function valueOfLimbs(field: VectorField, limbs: readonly bigint[]): bigint {
  return limbs.reduceRight((sum, limb) => (sum << BigInt(field.limbBits)) + limb, 0n);
}

export function isFma(field: VectorField): boolean {
  return field.limbs === 5;
}

/** a b / R mod p */
export function montgomeryProduct(field: VectorField, a: bigint, b: bigint): bigint {
  const { modulus, radix } = field;
  return mod(a * b * invert(radix, modulus), modulus);
}

/** Limbs within half the base, the top one aside, and a value within `bound` times p. */
export function isNormalised(field: VectorField, limbs: readonly bigint[], bound: number): boolean {
  const half = 1n << BigInt(field.limbBits - 1);
  const inLimbs = limbs.slice(0, -1).every((limb) => -half <= limb && limb <= half);
  return inLimbs && sizeIn(field, valueOfLimbs(field, limbs)) <= bound;
}

/** |value| / p */
export function sizeIn({ modulus }: VectorField, value: bigint): number {
  return Math.abs(Number(value)) / Number(modulus);
}

/** Numbers around which digits, carries, signs and reductions change; the first are 0 and 1. */
export function edges(modulus: bigint): bigint[] {
  const powers = [28n, 29n, 30n, 50n, 51n, 52n, 57n, 58n, 63n, 64n, 128n, 203n, 204n, 232n, 253n];
  // All digits but the top one -2^(b-1) or 2^(b-1) - 1, for both widths.
  const repunits = [29n, 51n].map((b) => {
    const digits = Array.from({ length: Number(252n / b) }, (_, i) => 1n << (b * BigInt(i)));
    return [b, digits.reduce((sum, digit) => sum + digit, 0n)] as const;
  });
  return [
    0n,
    1n,
    2n,
    modulus - 1n,
    modulus - 2n,
    modulus >> 1n,
    (modulus >> 1n) + 1n,
    ...powers.flatMap((k) => [(1n << k) - 1n, 1n << k, (1n << k) + 1n]),
    ...repunits.flatMap(([b, ones]) => {
      const half = 1n << (b - 1n);
      return [ones * (half - 1n), modulus - ones * half, ones * (2n * half - 1n)];
    }),
  ].filter((value) => value < modulus);
}

/** Canonical numbers, often at an edge. */
export function canonical(modulus: bigint): fc.Arbitrary<bigint> {
  return fc.oneof(fc.constantFrom(...edges(modulus)), fc.bigInt({ min: 0n, max: modulus - 1n }));
}
