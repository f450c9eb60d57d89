// Asks a service for the proof of the example batch: `node docs/examples/prove.ts [address]`.
import { readFile } from "node:fs/promises";
import { fromJsonString } from "@bufbuild/protobuf";
import { SubmitProofRequestSchema } from "../../gen/prover/v1/prover_pb.ts";
import { ProverClient } from "../../prover/client.ts";

const client = new ProverClient({ address: process.argv[2] ?? "127.0.0.1:50051" });
const example = await readFile(new URL("batch-4.json", import.meta.url), "utf8");
const request = fromJsonString(SubmitProofRequestSchema, example);

// Repeats on a lost connection; the request id makes that safe.
const { result } = await client.prove(request, {
  onEvent: ({ job }) => console.log(job?.state, job?.stage, `${job?.progressPercent}%`),
});
console.log("proved by", result.engine);
console.log("commitBlock calldata:", result.commitBlock?.calldata.length, "bytes");
client.close();
