/** Verifies every proof of a run with snarkjs, which shares no code with this project's provers. */
import { readFile } from "node:fs/promises";
import * as snarkjs from "snarkjs";
import { readSections } from "../../worker/binfile.ts";
import { ELEMENT_BYTES, readLE } from "../../worker/field.ts";
import { ContenderError } from "../contenders/contender.ts";
import type { ProvedMessage } from "../contenders/message.ts";
import type { Fixture } from "../fixtures/fixture.ts";

/** What a proof is of. */
type Proven = Pick<Fixture, "id" | "wtnsPath" | "verificationKeyPath">;

interface Statement {
  readonly verificationKey: { readonly nPublic: number };
  /** The witness's own public signals: a valid proof of something else does not count. */
  readonly publicSignals: readonly string[];
}

export class Verifier {
  readonly #statements = new Map<string, Statement>();
  #count = 0;

  /** Proofs that were valid so far. */
  get count(): number {
    return this.#count;
  }

  /** @throws ContenderError if the proof is not a valid one of the fixture's statement. */
  async check(
    fixture: Proven,
    { proof, publicSignals }: Pick<ProvedMessage, "proof" | "publicSignals">,
  ): Promise<void> {
    const { verificationKey, publicSignals: expected } = await this.#statementOf(fixture);
    if (JSON.stringify(publicSignals) !== JSON.stringify(expected)) {
      throw new ContenderError("made a proof with other public signals than the witness has");
    }
    const isValid = await snarkjs.groth16.verify(
      verificationKey,
      publicSignals as string[],
      proof as unknown as snarkjs.Groth16Proof,
    );
    if (!isValid) throw new ContenderError("made a proof that snarkjs refuses");
    this.#count++;
  }

  /** Ends the threads that snarkjs keeps. */
  async close(): Promise<void> {
    const { curve_bn128: curve } = globalThis as { curve_bn128?: { terminate(): Promise<void> } };
    await curve?.terminate();
  }

  async #statementOf(fixture: Proven): Promise<Statement> {
    const known = this.#statements.get(fixture.id);
    if (known !== undefined) return known;
    const verificationKey = JSON.parse(await readFile(fixture.verificationKeyPath, "utf8"));
    const values = valuesOf(await readFile(fixture.wtnsPath));
    const publicSignals = Array.from({ length: verificationKey.nPublic }, (_, i) =>
      String(readLE(values, (i + 1) * ELEMENT_BYTES)),
    );
    const statement = { verificationKey, publicSignals };
    this.#statements.set(fixture.id, statement);
    return statement;
  }
}

const WTNS_VALUES = 2;

function valuesOf(wtns: Uint8Array): Uint8Array {
  const sections = readSections(wtns, { magic: "wtns", version: 2, code: "WITNESS_MALFORMED" });
  return sections.get(WTNS_VALUES) ?? new Uint8Array();
}
