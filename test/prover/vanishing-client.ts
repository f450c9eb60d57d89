// A client that calls Prove, tells of the first event, and stays until it is killed.
// Arguments: address, request id, circuit id, input JSON, "cancel" or "keep".
import { ProverService } from "../../gen/prover/v1/prover_pb.ts";
import { Caller } from "../../prover/caller.ts";

const [address = "", requestId = "", circuitId = "", json = "", wish] = process.argv.slice(2);
const caller = new Caller({ address });
const stream = caller.stream(ProverService.method.prove, {
  submit: {
    requestId,
    circuitId,
    input: { case: "inputJson", value: Buffer.from(json) },
  },
  cancelOnDisconnect: wish === "cancel",
});
for await (const { event } of stream) process.stdout.write(`${event?.job?.jobId}\n`);
