/**
 * The one-lane kernels as one program: its code, and where things lie in its memory. Plain data that
 * can be posted to other threads, so that the code is written and compiled once.
 */
import { FQ2 } from "../../curve.ts";
import { Assembly, type AssemblyOptions } from "./assembly.ts";
import { writeInvertBatch } from "./batch.ts";
import { writePrimeField } from "./fq.ts";
import { writeQuadraticField, XI } from "./fq2.ts";
import { writeCubicField } from "./fq6.ts";
import { FQ12_BYTES, frobeniusRoot, writeTower12 } from "./fq12.ts";
import { type CoordinateField, writeGroup, writeHorner } from "./group.ts";
import { writeInverse, writeMontgomeryInverse } from "./inverse.ts";
import { FQ_BYTES } from "./limbs.ts";
import { writeLines } from "./lines.ts";
import { writeEquation, writeSubgroup } from "./membership.ts";
import { DIGITS_BYTES, FACTOR_BYTES, writeMultiples, writeRecode } from "./multiples.ts";
import { type PairSlots, writePairing } from "./pairing.ts";
import { writeWords } from "./words.ts";
import { writeXyzzHorner } from "./xyzz.ts";

/** Elements that are inverted together at most: the one inversion is then 7 % of the time. */
const BATCH_CAPACITY = 128;
/** Terms that share one row of doublings at most. */
const TERM_CAPACITY = 32;
/** Bytes of points and numbers that go in at once; more go in parts. */
const BUFFER_BYTES = 32_768;

export type GroupName = "g1" | "g2";

export interface GroupPlan {
  readonly name: GroupName;
  /** Elements of Fq in an affine point. */
  readonly elements: number;
  /** A Jacobian point: where sums are collected; another one. */
  readonly total: number;
  readonly other: number;
  /** An affine point. */
  readonly affine: number;
  readonly tables: number;
  readonly tableBytes: number;
}

export interface Program {
  readonly module: WebAssembly.Module;
  readonly pages: number;
  /** Below this address lies whatever may depend on a secret; above, what pairings use. */
  readonly secretBytes: number;
  /** What the code expects in memory: bytes of elements at addresses. */
  readonly constants: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly batchCapacity: number;
  readonly termCapacity: number;
  readonly g1: GroupPlan;
  readonly g2: GroupPlan;
  readonly pairs: PairSlots;
  /** An element of Fq12 beside the pairing's own. */
  readonly product: number;
  readonly buffer: number;
  readonly bufferBytes: number;
  /** 32 B and then zeros. */
  readonly factor: number;
  /** For each term of a sum, `digitsBytes` of digits. */
  readonly digits: number;
  readonly digitsBytes: number;
}

/**
 * @param options  Checked kernels trap when an operand is out of the range that the proofs in this
 *   folder allow; they are for tests.
 */
export function compileProgram(options: AssemblyOptions = { isChecked: false }): Program {
  const assembly = new Assembly(options);
  const fq = writePrimeField(assembly);
  const words = writeWords(assembly, fq);
  const invertPlain = writeInverse(assembly, fq);
  const invert = writeMontgomeryInverse(assembly, fq, invertPlain);
  const fq2 = writeQuadraticField(assembly, fq, invert);
  writeInvertBatch(assembly, { fq, words, invert: invertPlain }, BATCH_CAPACITY);
  writeRecode(assembly);
  const planGroup = (name: GroupName, degree: 1 | 2, field: CoordinateField, b: bigint[]) => {
    const kernels = writeGroup(assembly, name, degree, field);
    writeHorner(assembly, name, kernels, words);
    writeXyzzHorner(assembly, name, kernels, field, words);
    writeEquation(assembly, name, field, b);
    const { tableBytes } = writeMultiples(assembly, name, kernels, field, words);
    const plan: GroupPlan = {
      name,
      elements: 2 * degree,
      total: assembly.take(3 * degree * FQ_BYTES),
      other: assembly.take(3 * degree * FQ_BYTES),
      affine: assembly.take(2 * degree * FQ_BYTES),
      tables: assembly.take(TERM_CAPACITY * tableBytes),
      tableBytes,
    };
    return { kernels, plan };
  };
  const g1 = planGroup("g1", 1, { ...fq, invert }, [3n]);
  const g2 = planGroup("g2", 2, fq2, [...FQ2.multiply([3n, 0n], FQ2.invert([XI[0], XI[1]]))]);
  const plan = {
    g1: g1.plan,
    g2: g2.plan,
    batchCapacity: BATCH_CAPACITY,
    termCapacity: TERM_CAPACITY,
    buffer: assembly.take(BUFFER_BYTES),
    bufferBytes: BUFFER_BYTES,
    factor: assembly.take(FACTOR_BYTES),
    digits: assembly.take(TERM_CAPACITY * DIGITS_BYTES),
    digitsBytes: DIGITS_BYTES,
    secretBytes: assembly.take(0),
  };
  const root = frobeniusRoot();
  writeSubgroup(assembly, fq2, g2.kernels, root);
  const fq12 = writeTower12(assembly, fq2, writeCubicField(assembly, fq2));
  writeLines(assembly, fq2, root);
  const pairs = writePairing(assembly, { fq, fq2, fq12, invert });
  const product = assembly.take(FQ12_BYTES);
  return {
    ...plan,
    pairs,
    product,
    module: new WebAssembly.Module(assembly.bytes()),
    pages: assembly.pages,
    constants: assembly.constants(),
  };
}
