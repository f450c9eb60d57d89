import type { Groth16Proof } from "../gen/prover/v1/job_pb.ts";
import type { VerifyProofRequest } from "../gen/prover/v1/prover_pb.ts";
import { BASE_FIELD } from "../worker/field.ts";
import { type Proof, proofFromJson } from "../worker/proof.ts";
import { fieldError, ProverError } from "./errors.ts";
import { Violations } from "./violations.ts";

const COORDINATE_BYTES = 32;
/** snarkjs's file has about 1 KiB. */
const JSON_MAX_BYTES = 16 * 1024;

/**
 * A proof from the wire with its public signals: canonical numbers in the right count. Whether the
 * points lie on the curve is for the verification to say.
 *
 * @throws ProverError PROOF_MALFORMED
 */
export function decodeProof(
  { form, publicSignals }: VerifyProofRequest,
  publicSignalNames: readonly string[],
): { proof: Proof; publicSignals: readonly bigint[] } {
  const faults = new Violations("PROOF_MALFORMED");
  const count = publicSignalNames.length;
  faults.count(publicSignals, count, count, "public_signals");
  faults.check();
  const signals = publicSignals.map((bytes, i) => faults.element(bytes, `public_signals[${i}]`));
  switch (form.case) {
    case "proof": {
      const proof = decodeCoordinates(form.value, faults);
      faults.check();
      return { proof, publicSignals: signals };
    }
    case "snarkjsProofJson":
      faults.check();
      return { proof: decodeJson(form.value), publicSignals: signals };
    default:
      throw fieldError("form", "got none, expected one of proof and snarkjs_proof_json");
  }
}

function decodeCoordinates({ a, b, c }: Groth16Proof, faults: Violations): Proof {
  const coordinates = (list: readonly Uint8Array[], count: number, field: string) => {
    faults.count(list, count, count, field);
    return Array.from({ length: count }, (_, i) => {
      const value = faults.uint(list[i] ?? new Uint8Array(), COORDINATE_BYTES, `${field}[${i}]`);
      if (value >= BASE_FIELD) {
        faults.add(`${field}[${i}]`, "got a number of at least q, expected a coordinate below q");
      }
      return value;
    });
  };
  const [ax = 0n, ay = 0n] = coordinates(a, 2, "proof.a");
  // On the wire the imaginary part comes first (EIP-197), in memory the real one.
  const [bxi = 0n, bxr = 0n, byi = 0n, byr = 0n] = coordinates(b, 4, "proof.b");
  const [cx = 0n, cy = 0n] = coordinates(c, 2, "proof.c");
  return { a: { x: ax, y: ay }, b: { x: [bxr, bxi], y: [byr, byi] }, c: { x: cx, y: cy } };
}

function decodeJson(bytes: Uint8Array): Proof {
  const field = "snarkjs_proof_json";
  if (bytes.length > JSON_MAX_BYTES) {
    throw fieldError(
      field,
      `got ${bytes.length} bytes, expected at most ${JSON_MAX_BYTES}`,
      "PROOF_MALFORMED",
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw fieldError(field, "got bytes that are not JSON", "PROOF_MALFORMED");
  }
  try {
    return proofFromJson(json);
  } catch (caught) {
    const { code, message } = ProverError.from(caught);
    throw fieldError(field, message, code);
  }
}
