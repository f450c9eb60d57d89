// Asks a service for the proof of a batch: prove.ts [address] [request.json]
import { readFile } from "node:fs/promises";
import { fromJsonString } from "@bufbuild/protobuf";
import { JobStateSchema } from "../../gen/prover/v1/job_pb.ts";
import { SubmitProofRequestSchema } from "../../gen/prover/v1/prover_pb.ts";
import { ProverClient } from "../../prover/client.ts";

const [address = "127.0.0.1:50051", file = "docs/examples/batch-4.json"] = process.argv.slice(2);
const client = new ProverClient({ address, patienceMs: 60_000 });
const request = fromJsonString(SubmitProofRequestSchema, await readFile(file, "utf8"));

// Repeats on a lost connection; the request id makes that safe.
const { result, circuitId } = await client.prove(request, {
  onEvent: ({ job }) =>
    job && console.error(JobStateSchema.value[job.state]?.localName, `${job.progressPercent} %`),
});
const { proof, publicSignals } = result;
const form = proof && { case: "proof" as const, value: proof };
const { valid } = await client.verify({ circuitId, publicSignals, ...(form && { form }) });
console.log(valid ? "valid" : "invalid");
console.log("proved by", result.engine);
console.log("commitBlock calldata:", result.commitBlock?.calldata.length, "bytes");
client.close();
