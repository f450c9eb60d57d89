import { SectionFile } from "../../worker/binfile.ts";
import { WorkError } from "../../worker/errors.ts";
import { checkVerificationKey, type VerificationKey } from "../../worker/verification-key.ts";
import {
  DEV_KEY_MARKER,
  G1_BYTES,
  G2_BYTES,
  readG1,
  readG2,
  ZKEY_SECTION,
} from "../../worker/zkey.ts";

/** What decides whether a key may be used. A parsed `Zkey` of the worker has these fields, too. */
export interface KeyIdentity {
  readonly verificationKey: VerificationKey;
  readonly isDevKey: boolean;
}

export interface KeyPolicy {
  /** Only where development was asked for by name: anybody can forge proofs of these keys. */
  readonly allowDevKeys: boolean;
}

/**
 * Refuses keys under which proofs can be forged.
 *
 * @throws WorkError KEY_REFUSED if delta equals gamma in G2 (no phase-2 contribution), always; or if
 *   it is a development key and the policy does not allow them. KEY_MALFORMED if a point of the
 *   verification key is not in its group.
 */
export function assertUsableKey(key: KeyIdentity, policy: KeyPolicy): void {
  checkVerificationKey(key.verificationKey);
  if (key.isDevKey && !policy.allowDevKeys) {
    throw new WorkError(
      "KEY_REFUSED",
      "key: a development key, whose secrets are public, so that anybody can forge proofs. Use a " +
        "key from a ceremony, or allow development keys by name where nothing of value depends on it",
    );
  }
}

/** Whether section 10 of a `.zkey` is that of a development key. */
export function isDevKey(contributions: Uint8Array): boolean {
  const { buffer, byteOffset, byteLength } = contributions;
  return Buffer.from(buffer, byteOffset, byteLength).includes(DEV_KEY_MARKER);
}

/** Byte offsets in section 2, after both moduli and the three counts. */
const ALPHA1 = 2 * (4 + 32) + 12;
const BETA2 = ALPHA1 + 2 * G1_BYTES;
const GAMMA2 = BETA2 + G2_BYTES;
const DELTA2 = GAMMA2 + G2_BYTES + G1_BYTES;
const HEADER_BYTES = DELTA2 + G2_BYTES;

/**
 * Reads from a `.zkey` what identifies it, without its large sections.
 *
 * @throws WorkError KEY_MALFORMED if those sections are not a Groth16 key's over BN254. The points
 *   are not checked: `assertUsableKey` does.
 */
export async function readKeyIdentity(zkeyPath: string): Promise<KeyIdentity> {
  const format = { magic: "zkey", version: 1, code: "KEY_MALFORMED" } as const;
  await using file = await SectionFile.open(zkeyPath, format);
  const [header, ic, contributions] = [
    await file.read(ZKEY_SECTION.header),
    await file.read(ZKEY_SECTION.ic),
    await file.read(ZKEY_SECTION.contributions),
  ];
  if (header.length !== HEADER_BYTES || ic.length % G1_BYTES !== 0) {
    throw new WorkError("KEY_MALFORMED", "zkey file: is not a Groth16 key over BN254");
  }
  const view = viewOf(header);
  return {
    verificationKey: {
      alpha1: readG1(view, ALPHA1),
      beta2: readG2(view, BETA2),
      gamma2: readG2(view, GAMMA2),
      delta2: readG2(view, DELTA2),
      ic: Array.from({ length: ic.length / G1_BYTES }, (_, i) => readG1(viewOf(ic), i * G1_BYTES)),
    },
    isDevKey: isDevKey(contributions),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
