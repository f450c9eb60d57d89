import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { compileSource, mainSource, TEMPLATES } from "../../../circuits/compile.ts";
import type { CircuitInputs } from "../../../circuits/inputs.ts";
import { failingConstraints, parseR1cs } from "../../../worker/r1cs.ts";
import { ForcedProgram } from "./forced-program.ts";
import { loadCircuit, type Rule } from "./rule.ts";
import { DATA_RULES } from "./rules-data.ts";
import { L1_RULES } from "./rules-l1.ts";
import { SIGNATURE_RULES } from "./rules-signature.ts";
import { TRANSFER_RULES } from "./rules-transfer.ts";
import { TRANSFER_STATE_RULES } from "./rules-transfer-state.ts";
import { tiny } from "./tiny-circuit.ts";

// Tests of the tests: with a constraint taken out of a copy of the circuit, some batch that breaks a rule must be accepted by
// that copy. Else no test would notice the loss. Compiles the whole circuit once for each constraint, so it is not
// part of every run: SOUNDNESS_REMOVED=1, or SOUNDNESS_REMOVED=fee-slot for one file.

const WANTED = process.env.SOUNDNESS_REMOVED ?? "";

/** One constraint: where, its text, what stands in its place, and where the broken rule's checks complain. */
type Removal = readonly [file: string, text: string, instead: string, at: string];

const REMOVALS: readonly Removal[] = [
  ["l1-slot", "(1 - isUsed) * packed === 0;", "", "L1Slot"],
  ["l1-slot", "(1 - isUsed) * item[i] === 0;", "", "L1Slot"],
  ["l1-slot", "oldPkHash * (oldPkHash - newPkHash) === 0;", "", "L1Slot"],
  ["l1-slot", "isKind[1] * (oldBalance - amount) === 0;", "", "L1Slot"],
  ["l1-slot", "signal amountBits[64] <== Num2Bits(64)(amount);", "", "Num2Bits"],
  ["l1-slot", "newPkHash <== isUsed * pkHash", "newPkHash <== oldPkHash", "BatchTransfer"],
  ["l1-slot", "oldNonce + isKind[1])", "oldNonce)", "BatchTransfer"],
  ["l1-slot", "(isKind[0] - isKind[1]) * amount", "isKind[0] * amount", "BatchTransfer"],
  ["path-update", "expected === oldNodes[low];", "", "PathUpdate"],
  ["fee-slot", "NonZeroIf()(total, leaf[0]);", "", "NonZeroIf"],
  ["fee-slot", "signal newBalanceBits[64] <== Num2Bits(64)(newBalance);", "", "Num2Bits"],
  ["transfer-slot", "(1 - isUsed) * record === 0;", "", "TransferSlot"],
  ["transfer-slot", "signal amountBits[64] <== Num2Bits(64)(amount);", "", "Num2Bits"],
  ["transfer-slot", "signal feeBits[32] <== Num2Bits(32)(fee);", "", "Num2Bits"],
  ["transfer-slot", "signal remainingBits[32] <== Num2Bits(32)(remaining);", "", "Num2Bits"],
  ["transfer-slot", "signal newSenderBits[64] <== Num2Bits(64)(newSenderBalance);", "", "Num2Bits"],
  [
    "transfer-slot",
    "signal newReceiverBits[64] <== Num2Bits(64)(newReceiverBalance);",
    "",
    "Num2Bits",
  ],
  ["transfer-slot", "NonZeroIf()(isUsed, receiverPkHash);", "", "NonZeroIf"],
  ["transfer-slot", "senderNonce + isUsed)", "senderNonce)", "BatchTransfer"],
  ["transfer-slot", "isType[0] * amount;", "isUsed * amount;", "BatchTransfer"],
  ["transfer-slot", "Poseidon(4)([domain,", "Poseidon(4)([0,", "Signature"],
  ["transfer-slot", "record + validUntil * (1 << 168),", "record,", "Signature"],
  ["transfer-slot", "receiverPkHash, senderNonce])", "0, senderNonce])", "Signature"],
  ["transfer-slot", "receiverPkHash, senderNonce])", "receiverPkHash, 0])", "Signature"],
  ["signature", "enabled * (left[0] - right[0]) === 0;", "", "Signature"],
  ["signature", "enabled * (left[1] - right[1]) === 0;", "", "Signature"],
  ["signature", "BabyCheck()(r8[0], r8[1]);", "", "BabyCheck"],
  ["batch-transfer", "signal blockBits[32] <== Num2Bits(32)(blockNumber);", "", "Num2Bits"],
  ["batch-transfer", "rootBefore === prevRoot;", "", "BatchTransfer"],
  ["batch-transfer", "rootAfter === newRoot;", "", "BatchTransfer"],
  ["batch-transfer", "commitment === h;", "", "BatchTransfer"],
  ["batch-transfer", "evaluation === y;", "", "BatchTransfer"],
];

/** With something else in its place, batches that keep the rule may be refused, which is noticed as well. */
const isReplaced = (instead: string) => instead !== "";

/** All templates in one source, so that one of them can be changed without touching circuits/lib. */
function sourceWithout(file: string, text: string, instead: string): string {
  const libraries = new Set<string>();
  const templates = readdirSync(TEMPLATES).map((name) => {
    const source = readFileSync(join(TEMPLATES, name), "utf8");
    if (name === `${file}.circom` && !source.includes(text)) {
      throw new Error(`${name} does not contain ${text}`);
    }
    const changed = name === `${file}.circom` ? source.replace(text, instead) : source;
    return changed.replaceAll(/^(pragma|include) .*$/gm, (line) => {
      if (line.includes("circomlib/")) libraries.add(line);
      return "";
    });
  });
  const main = mainSource(tiny).replaceAll(/^(pragma|include) .*$/gm, "");
  return ["pragma circom 2.2.0;", ...libraries, ...templates, main].join("\n");
}

const rules: [sentence: string, rule: Rule][] = [
  L1_RULES,
  TRANSFER_RULES,
  TRANSFER_STATE_RULES,
  SIGNATURE_RULES,
  DATA_RULES,
].flatMap((book) => [...book.sections.values()].flatMap((section) => Object.entries(section)));

describe.skipIf(WANTED === "")("soundness / removed constraints", () => {
  beforeAll(loadCircuit);
  for (const [file, text, instead, at] of REMOVALS) {
    if (WANTED !== "1" && WANTED !== file) continue;
    it(`would be noticed: ${file}: ${text}`, { timeout: 20 * 60_000 }, async () => {
      const source = sourceWithout(file, text, instead);
      const folder = join(import.meta.dirname, "../../../build/soundness/removed");
      const paths = await compileSource(source, folder);
      const r1cs = parseR1cs(readFileSync(paths.r1csPath));
      const forced = new ForcedProgram(new Uint8Array(readFileSync(paths.wasmPath)));
      const accepts = (inputs: CircuitInputs) =>
        failingConstraints(r1cs, forced.run(inputs).witness, 1).length === 0;
      const noticed = rules
        .filter(([, rule]) => rule.at.includes(at))
        .find(
          ([, { broken, kept }]) => accepts(broken()) || (isReplaced(instead) && !accepts(kept())),
        );
      expect(noticed?.[0], "no rule's test notices").toBeDefined();
    });
  }
});
