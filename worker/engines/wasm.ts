/**
 * The engine of our own: generated WebAssembly kernels over a key in shared memory.
 */
import { G1, type G1Point, G2, type G2Point } from "../curve.ts";
import type { Checkpoint, Engine, G1Term, G2Term, ProofRun, ResidentKey } from "../engine.ts";
import { ELEMENT_BYTES, readLE, SCALAR_FIELD } from "../field.ts";
import type { Degree } from "../kernels/curve.ts";
import type { Zkey } from "../zkey.ts";
import { isPairingProductOne } from "./reference-pairing.ts";
import { Inversion } from "./wasm/inversion.ts";
import {
  type CompiledKernels,
  type CompileOptions,
  compileKernels,
  fieldsOf,
  instantiate,
  type Kernels,
} from "./wasm/kernels.ts";
import { grow, type Section, type SharedKey, writeKey } from "./wasm/key.ts";
import { Msm, planOf, type Terms } from "./wasm/msm.ts";
import { Quotient, takeQuotientBuffers } from "./wasm/quotient.ts";
import { Region } from "./wasm/scratch.ts";

export async function openWasm(options: CompileOptions): Promise<Engine> {
  return new WasmEngine(compileKernels(options));
}

class WasmEngine implements Engine {
  readonly name = "wasm";
  readonly #kernels: CompiledKernels;

  constructor(kernels: CompiledKernels) {
    this.#kernels = kernels;
  }

  async loadKey(zkey: Zkey): Promise<ResidentKey> {
    return new WasmKey(writeKey(this.#kernels, zkey));
  }

  async isPairingProductOne(pairs: readonly (readonly [G1Point, G2Point])[]): Promise<boolean> {
    return isPairingProductOne(pairs);
  }

  async close(): Promise<void> {}
}

export class WasmKey implements ResidentKey {
  readonly shared: SharedKey;
  readonly arena: Arena;

  constructor(shared: SharedKey) {
    this.shared = shared;
    this.arena = new Arena(shared, shared.end);
  }

  begin(witness: Uint8Array): ProofRun {
    return new WasmRun(this, witness);
  }

  release(): void {}
}

class Arena {
  readonly kernels: Kernels;
  readonly witness: number;
  readonly folded: number;
  readonly quotientScalars: number;
  readonly scaled: number;
  readonly positions: number;
  readonly quotient: Quotient | undefined;
  readonly msm: readonly [Msm, Msm];
  readonly end: number;
  readonly memory: WebAssembly.Memory;
  readonly stage: number;
  readonly factor: number;

  constructor(key: SharedKey, start: number) {
    const { memory, nVars, domain, sections } = key;
    this.memory = memory;
    this.kernels = instantiate(key.kernels, memory, false);
    const { fq, fr } = fieldsOf(key.kernels.options);
    const region = new Region(start);
    const scalars = (count: number) => region.take(ELEMENT_BYTES * count + 64);
    this.witness = scalars(nVars);
    this.folded = scalars(nVars);
    this.quotientScalars = scalars(domain);
    this.scaled = scalars(nVars);
    this.positions = region.take(128 * 300);
    this.stage = region.take(32 * fr.limbs * 1024);
    this.factor = region.take(32 * fr.limbs);
    const buffers = key.quotient && takeQuotientBuffers(region, fr, key.quotient);
    const total = sections.c.count + sections.h.count + sections.b1.count;
    const inversion1 = new Inversion(this.kernels, memory, fq, 1, region);
    const inversion2 = new Inversion(this.kernels, memory, fq, 2, region);
    this.msm = [
      new Msm(this.kernels, memory, fq, inversion1, 1, Math.max(total, sections.a.count), region),
      new Msm(this.kernels, memory, fq, inversion2, 2, sections.b2.count, region),
    ];
    this.end = region.end;
    grow(memory, this.end);
    this.quotient =
      key.quotient && buffers && new Quotient(this.kernels, memory, fr, key.quotient, buffers);
    for (const msm of this.msm) msm.prepare();
    inversion1.prepare();
    inversion2.prepare();
  }
}

class WasmRun implements ProofRun {
  readonly #key: WasmKey;

  constructor(key: WasmKey, witness: Uint8Array) {
    this.#key = key;
    const { memory, witness: at, folded, kernels } = key.arena;
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(witness, at);
    bytes.set(witness, folded);
    kernels.fold(folded, key.shared.nVars);
  }

  async quotient(checkpoint: Checkpoint): Promise<void> {
    const { quotient, witness, quotientScalars, kernels } = this.#key.arena;
    if (quotient === undefined) throw new Error("domain below 8: to do");
    quotient.compute(witness, quotientScalars, checkpoint);
    kernels.fold(quotientScalars, this.#key.shared.domain);
  }

  async sumG1(terms: readonly G1Term[], checkpoint: Checkpoint): Promise<G1Point> {
    const { sections, nPublic, nVars } = this.#key.shared;
    const { folded, quotientScalars, scaled } = this.#key.arena;
    const lists: Terms[] = [];
    const points: { point: G1Point; factor: bigint }[] = [];
    for (const term of terms) {
      if ("point" in term) {
        points.push(term);
        continue;
      }
      const section: Section = sections[term.section];
      let scalars =
        term.section === "h"
          ? quotientScalars
          : folded + (term.section === "c" ? ELEMENT_BYTES * (nPublic + 1) : 0);
      if (term.factor !== undefined && term.factor !== 1n) {
        if (term.section === "h") throw new Error("no factor for h");
        this.#scale(term.factor);
        scalars = scaled + (scalars - folded);
      }
      lists.push({ ...section, scalars });
    }
    void nVars;
    const sum = this.#sum(1, lists, checkpoint);
    return G1.add(G1.sum(sum as unknown as { point: G1Point; factor: bigint }[]), G1.sum(points));
  }

  async sumG2(terms: readonly G2Term[], checkpoint: Checkpoint): Promise<G2Point> {
    const points: { point: G2Point; factor: bigint }[] = [];
    const lists: Terms[] = [];
    for (const term of terms) {
      if ("point" in term) points.push(term);
      else if (term.factor !== undefined && term.factor !== 1n) throw new Error("factor");
      else lists.push({ ...this.#key.shared.sections.b2, scalars: this.#key.arena.folded });
    }
    const sum = this.#sum(2, lists, checkpoint);
    return G2.add(G2.sum(sum as unknown as { point: G2Point; factor: bigint }[]), G2.sum(points));
  }

  async end(): Promise<void> {
    const { memory, witness, folded, quotientScalars, scaled } = this.#key.arena;
    const { nVars, domain } = this.#key.shared;
    const bytes = new Uint8Array(memory.buffer);
    for (const [at, count] of [
      [witness, nVars],
      [folded, nVars],
      [scaled, nVars],
      [quotientScalars, domain],
    ] as const) {
      bytes.fill(0, at, at + ELEMENT_BYTES * count);
    }
  }

  #scale(factor: bigint): void {
    const { memory, kernels, witness, scaled, stage, factor: at } = this.#key.arena;
    const { nVars } = this.#key.shared;
    const { fr } = fieldsOf(this.#key.shared.kernels.options);
    const view = new BigUint64Array(memory.buffer);
    fr.limbsOf((factor * fr.radix) % SCALAR_FIELD).forEach((limb, i) => {
      view.fill(limb, at / 8 + 4 * i, at / 8 + 4 * i + 4);
    });
    for (let first = 0; first < nVars; first += 4096) {
      const some = Math.min(4096, nVars - first);
      kernels.unpackR(stage, witness + 32 * first, Math.ceil(some / 4));
      kernels.scaleR(stage, stage, at, Math.ceil(some / 4));
      kernels.packR(scaled + 32 * first, stage, some);
    }
    kernels.fold(scaled, nVars);
  }

  #sum(degree: Degree, lists: readonly Terms[], checkpoint: Checkpoint) {
    const { positions, memory } = this.#key.arena;
    const msm = this.#key.arena.msm[degree - 1] as Msm;
    const count = lists.reduce((sum, { count }) => sum + count, 0);
    if (count === 0) return [];
    const { bits, windows, together } = planOf(count);
    for (let w = 0; w < windows; w += together) {
      const to = Math.min(w + together, windows);
      msm.windows(lists, bits, w, to, positions, (done) =>
        checkpoint((w + done * (to - w)) / windows),
      );
    }
    const bytes = new Uint8Array(memory.buffer);
    const read = (at: number) => readLE(bytes, at);
    return Array.from({ length: windows * bits }, (_, i) => {
      const at = positions + 64 * degree * i;
      const point =
        degree === 1
          ? { x: read(at), y: read(at + 32) }
          : { x: [read(at), read(at + 32)], y: [read(at + 64), read(at + 96)] };
      return { point, factor: 2n ** BigInt(i) };
    });
  }
}
