import fc from "fast-check";
import { BASE_FIELD as Q } from "../../../worker/field.ts";
import { Assembly } from "../../../worker/kernels/scalar/assembly.ts";
import {
  FQ_BYTES,
  fromMontgomery,
  readElement,
  toMontgomery,
  writeElement,
} from "../../../worker/kernels/scalar/limbs.ts";

/** Kernels under test, compiled with range checks, with room for operands. */
export interface ScalarInstance {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** An address of so many elements. */
  place(elements: number): number;
  call(name: string, ...args: number[]): number;
  /** Elements as they stand. */
  put(address: number, ...values: bigint[]): void;
  get(address: number, elements?: number): bigint[];
  /** Canonical values, in Montgomery form in memory. */
  enter(address: number, ...values: bigint[]): void;
  leave(address: number, elements: number): bigint[];
}

export function scalarInstance(write: (assembly: Assembly) => void): ScalarInstance {
  const assembly = new Assembly({ isChecked: true });
  write(assembly);
  const room = 1 << 16;
  let next = assembly.take(room);
  const pages = assembly.pages;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const module = new WebAssembly.Module(assembly.bytes());
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = exports as Record<string, (...args: number[]) => number>;
  const bytes = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  for (const constant of assembly.constants()) bytes.set(constant.bytes, constant.address);
  const each = (address: number, elements: number, read: (at: number) => bigint) =>
    Array.from({ length: elements }, (_, i) => read(address + FQ_BYTES * i));
  const put: ScalarInstance["put"] = (address, ...values) => {
    for (const [i, value] of values.entries()) writeElement(view, address + FQ_BYTES * i, value);
  };
  return {
    bytes,
    view,
    place: (elements) => {
      next += FQ_BYTES * elements;
      return next - FQ_BYTES * elements;
    },
    call: (name, ...args) => {
      const kernel = kernels[name];
      if (kernel === undefined) throw new Error(`no kernel ${name}`);
      return kernel(...args);
    },
    put,
    get: (address, elements = 1) => each(address, elements, (at) => readElement(view, at)),
    enter: (address, ...values) => put(address, ...values.map(toMontgomery)),
    leave: (address, elements) =>
      each(address, elements, (at) => fromMontgomery(readElement(view, at))),
  };
}

/** Values around which digits, carries, signs and reductions change. */
export const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  Q - 1n,
  Q - 2n,
  Q >> 1n,
  (Q >> 1n) + 1n,
  ...[28n, 29n, 30n, 57n, 58n, 63n, 64n, 231n, 232n, 233n, 252n, 253n].flatMap((k) => [
    2n ** k - 1n,
    2n ** k,
    2n ** k + 1n,
  ]),
  // Every digit -2^28, and every digit 2^28 - 1.
  Array.from({ length: 8 }, (_, i) => (2n ** 28n - 1n) << (29n * BigInt(i))).reduce(
    (a, b) => a + b,
  ),
  Q - Array.from({ length: 8 }, (_, i) => (2n ** 28n) << (29n * BigInt(i))).reduce((a, b) => a + b),
];

/** Canonical values of Fq, often at an edge. */
export const canonical = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: Q - 1n }));

/** Values with |value| < bound q, often at an edge of digits or of the range. */
export function bounded(bound: bigint): fc.Arbitrary<bigint> {
  const most = bound * Q - 1n;
  const edges = EDGES.flatMap((edge) =>
    Array.from({ length: Number(bound) }, (_, i) => edge + BigInt(i) * Q),
  ).filter((value) => value <= most);
  const positive = fc.oneof(fc.constantFrom(...edges, most), fc.bigInt({ min: 0n, max: most }));
  return fc.tuple(fc.boolean(), positive).map(([negative, value]) => (negative ? -value : value));
}
