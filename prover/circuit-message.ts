import { create } from "@bufbuild/protobuf";
import { circuitIdHash } from "../circuits/data.ts";
import { BatchSizeSchema, type Circuit, CircuitSchema } from "../gen/prover/v1/circuit_pb.ts";
import type { ServedCircuit } from "./circuits.ts";
import type { CircuitLoad } from "./job-store.ts";

/**
 * @param engines  names, the one in use first.
 * @param load  its jobs in the store.
 */
export function circuitMessage(
  circuit: ServedCircuit,
  engines: readonly string[],
  mode: "with key" | "without key",
  { queuedCount, runningCount }: Pick<CircuitLoad, "queuedCount" | "runningCount">,
): Circuit {
  const { artefacts, parameters } = circuit;
  const sha256 = (hex: string) => Buffer.from(hex, "hex");
  const message = create(CircuitSchema, {
    circuitId: circuit.id,
    constraintCount: circuit.constraintCount,
    wireCount: circuit.wireCount,
    domainLog2: circuit.domainLog2,
    publicSignalNames: [...circuit.publicSignalNames],
    r1csSha256: sha256(artefacts.r1cs.sha256),
    witnessProgramSha256: sha256(artefacts.wasm.sha256),
    zkeySha256: sha256(artefacts.zkey.sha256),
    vkeySha256: sha256(circuit.verificationKey.sha256),
    verificationKeyJson: mode === "with key" ? circuit.verificationKeyJson : new Uint8Array(),
    engines: [...engines],
    developmentKeys: circuit.developmentKeys,
    draining: circuit.isDraining,
    queuedCount,
    runningCount,
  });
  if (parameters !== undefined) {
    message.batchSize = create(BatchSizeSchema, {
      transfers: parameters.nTx,
      l1Items: parameters.nDeposits,
      levels: parameters.levels,
      topLevels: parameters.top,
      circuitIdHash: sha256(circuitIdHash(parameters).slice(2)),
    });
  }
  return message;
}
