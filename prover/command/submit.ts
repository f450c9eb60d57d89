import { randomUUID } from "node:crypto";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { TransferBatchSchema } from "../../gen/prover/v1/batch_pb.ts";
import { JobPriority } from "../../gen/prover/v1/job_pb.ts";
import { SubmitProofRequestSchema } from "../../gen/prover/v1/prover_pb.ts";
import { ProverClient, type SubmitRequest } from "../client.ts";
import { type Command, type Flags, requiredFlag, textFlag, UsageError } from "./command.ts";
import { printJob, showEvent, writeResult } from "./job-report.ts";
import { labelsOf } from "./labels.ts";
import { JsonFileError, readJsonFile, readWholeFile, requireOwnFiles } from "./output.ts";
import { createProgress } from "./progress.ts";
import { SERVICE_OPTIONS, SERVICE_USAGE, serviceAccess } from "./service-access.ts";

export const submit: Command = {
  name: "submit",
  summary: "send a batch, inputs or a witness to a service and wait for the proof",
  usage: `--circuit ID (--batch FILE | --input FILE | --wtns FILE) [flags]
       proofmill submit --request FILE [flags]

  --circuit ID       a circuit of the service
  --batch FILE       a TransferBatch as JSON
  --input FILE       the circuit's inputs as JSON, as snarkjs takes them
  --wtns FILE        a witness of circom
  --request FILE     a whole SubmitProofRequest as JSON
  --request-id ID    your name of the job; repeating it is safe (a random one, printed)
  --label NAME=VALUE for \`proofmill list\`; no secrets; repeatable
  --priority LEVEL   low, normal or high (normal)
  --no-wait          return as soon as the job is accepted
  --proof FILE       write the proof, as snarkjs does
  --public FILE      write the public signals, as snarkjs does
  --calldata FILE    write the calldata for commitBlock
${SERVICE_USAGE}`,
  options: {
    circuit: { type: "string" },
    batch: { type: "string" },
    input: { type: "string" },
    wtns: { type: "string" },
    request: { type: "string" },
    "request-id": { type: "string" },
    ...SERVICE_OPTIONS,
    label: { type: "string", multiple: true },
    priority: { type: "string" },
    "no-wait": { type: "boolean" },
    proof: { type: "string" },
    public: { type: "string" },
    calldata: { type: "string" },
  },
  async run(positionals, flags, terminal) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const { stderr, signal } = terminal;
    const asJson = flags.json === true;
    const files = {
      proof: textFlag(flags, "proof"),
      public: textFlag(flags, "public"),
      calldata: textFlag(flags, "calldata"),
    };
    requireOwnFiles({
      "--proof": files.proof,
      "--public": files.public,
      "--calldata": files.calldata,
    });
    const progress = createProgress(stderr, { silent: asJson });
    const request = await readRequest(flags);
    const client = new ProverClient(serviceAccess(flags, terminal.env));
    try {
      progress.update("submitting");
      const { job: accepted } = await client.submit(request, { signal });
      if (!accepted) throw new Error("the service accepted no job");
      // Whoever is interrupted now can go on with `proofmill watch`.
      progress.end();
      if (flags["no-wait"] === true) return printJob(accepted, terminal, asJson);
      if (!asJson) stderr.write(`accepted as ${accepted.jobId}\n`);
      let job = accepted;
      for await (const event of client.watch({ jobId: accepted.jobId }, { signal })) {
        showEvent(progress, event);
        if (event.job) job = event.job;
      }
      progress.end();
      await writeResult(job, files);
      return printJob(job, terminal, asJson);
    } finally {
      progress.end();
      client.close();
    }
  },
};

async function readRequest(flags: Flags): Promise<SubmitRequest> {
  const requestPath = textFlag(flags, "request");
  const requestId = textFlag(flags, "request-id");
  if (requestPath !== undefined) {
    const request = await readMessage(requestPath, SubmitProofRequestSchema);
    return {
      ...request,
      requestId: requestId ?? (request.requestId || randomUUID()),
      labels: { ...request.labels, ...labelsOf(flags) },
      priority: priorityOf(flags) ?? request.priority,
    };
  }
  return {
    requestId: requestId ?? randomUUID(),
    circuitId: requiredFlag(flags, "circuit"),
    labels: labelsOf(flags),
    priority: priorityOf(flags) ?? JobPriority.NORMAL,
    input: await readInput(flags),
  };
}

function priorityOf(flags: Flags): JobPriority | undefined {
  const word = textFlag(flags, "priority");
  if (word === undefined) return undefined;
  const priority = JobPriority[word.toUpperCase() as keyof typeof JobPriority];
  if (typeof priority === "number" && priority !== JobPriority.UNSPECIFIED) return priority;
  throw new UsageError(`--priority: got "${word}", expected low, normal or high`);
}

async function readInput(flags: Flags): Promise<NonNullable<SubmitRequest["input"]>> {
  const given = (["batch", "input", "wtns"] as const).filter((name) => flags[name] !== undefined);
  const [form] = given;
  if (form === undefined || given.length > 1) {
    throw new UsageError("expected exactly one of --batch, --input and --wtns");
  }
  const path = requiredFlag(flags, form);
  if (form === "batch") {
    return { case: "transferBatch", value: await readMessage(path, TransferBatchSchema) };
  }
  const bytes = await readWholeFile(path);
  return form === "input" ? { case: "inputJson", value: bytes } : { case: "wtns", value: bytes };
}

type Schema = typeof SubmitProofRequestSchema | typeof TransferBatchSchema;

async function readMessage<S extends Schema>(path: string, schema: S) {
  const json = (await readJsonFile(path)) as JsonValue;
  try {
    return fromJson<S>(schema, json);
  } catch (error) {
    // protobuf-es names the field at fault, and may quote what stands there.
    const problem = (error as Error).message.split(":")[0];
    throw new JsonFileError(`${path}: is no ${schema.typeName}: ${problem}`);
  }
}
