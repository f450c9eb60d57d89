/**
 * This project's prover on a GPU, in a process of its own: one thread has the device, others lead proofs, as
 * in the service. Argument: { device, threads }: part of a device's name, and how many proofs may run at a time.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { HostThread } from "../../worker/hosting/host-thread.ts";
import { vulkanOpener } from "../../worker/hosting/vulkan-opener.ts";
import { Tower } from "../../worker/kernels/tower.ts";
import { proofToJson, publicSignalsToJson } from "../../worker/proof.ts";
import { createTaskControl, type KeyUse } from "../../worker/task.ts";
import { type Member, Team } from "../../worker/team.ts";
import { answerQuestions } from "./child.ts";
import type { Answer, ProvedMessage, Request } from "./message.ts";

interface Options {
  readonly device?: string;
  readonly threads: number;
}

const { device, threads } = JSON.parse(process.argv[2] ?? "{}") as Options;
const host = await HostThread.open({ opener: vulkanOpener(device), keysMax: 1 });
const team = new Team(threads, { engine: "linked", program: Tower.open().machine.program });
const free = [...team.members];
const waiting: ((member: Member) => void)[] = [];
let use: (Required<Pick<KeyUse, "allowDevKeys">> & { artefacts: { zkey: Pinned } }) | undefined;

interface Pinned {
  readonly path: string;
  readonly sha256: string;
}

answerQuestions(async (request: Request): Promise<Answer> => {
  if (request.kind === "load") {
    const startedMs = performance.now();
    const sha256 = await hashOf(request.zkeyPath);
    use = { allowDevKeys: true, artefacts: { zkey: { path: request.zkeyPath, sha256 } } };
    const warm = { kind: "warm", ...use } as const;
    const result = await withMember((member) => member.runLinked(warm, host));
    if (result.kind === "failed") throw new Error(`${result.code}: ${result.message}`);
    return { kind: "loaded", ms: performance.now() - startedMs, engineName: host.name };
  }
  if (request.kind === "prove") return prove(request.wtnsPath);
  throw new TypeError("from inputs: measured without a GPU's part, which is the same");
});

async function prove(wtnsPath: string): Promise<ProvedMessage> {
  if (use === undefined) throw new TypeError("prove: no key was loaded");
  const { artefacts, allowDevKeys } = use;
  const startedMs = performance.now();
  const bytes = new Uint8Array(await readFile(wtnsPath));
  const input = { kind: "wtns", bytes } as const;
  const control = createTaskControl();
  const task = { kind: "prove", artefacts, allowDevKeys, input, control } as const;
  const result = await withMember((member) => member.runLinked(task, host));
  const ms = performance.now() - startedMs;
  if (result.kind === "failed") throw new Error(`${result.code}: ${result.message}`);
  return {
    kind: "proved",
    ms,
    proof: proofToJson(result.proof),
    publicSignals: publicSignalsToJson(result.publicSignals),
    stageMs: { ...result.stageMs },
    deviceBytes: host.use.allocatedBytes,
  };
}

async function withMember<T>(work: (member: Member) => Promise<T>): Promise<T> {
  const member = free.pop() ?? (await new Promise<Member>((resolve) => void waiting.push(resolve)));
  try {
    return await work(member);
  } finally {
    const next = waiting.shift();
    if (next === undefined) free.push(member);
    else next(member);
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
