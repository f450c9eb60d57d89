import { writeWhole } from "../../worker/binfile.ts";
import { verificationKeyToJson } from "../../worker/verification-key.ts";
import { type KeyIdentity, readKeyIdentity } from "./usable-key.ts";

/** Writes snarkjs's `verification_key.json` of a key. Does not judge whether the key is usable. */
export async function writeVerificationKey(zkeyPath: string, path: string): Promise<KeyIdentity> {
  const identity = await readKeyIdentity(zkeyPath);
  const json = verificationKeyToJson(identity.verificationKey);
  await writeWhole(path, [Buffer.from(`${JSON.stringify(json, null, 1)}\n`)]);
  return identity;
}
