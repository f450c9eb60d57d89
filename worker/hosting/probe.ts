/**
 * Tries to open an engine in a process of its own, before this one does: a driver that crashes when it
 * is looked at, or does not return, takes that process with it and nothing else. Where there is no
 * driver this costs some 0.1 s of another core.
 */
import { type ChildProcess, fork, type StdioOptions } from "node:child_process";
import { fileURLToPath } from "node:url";
import { gpuError } from "../gpu/failure.ts";
import { moduleUrl } from "../module-url.ts";
import type { DeviceFacts, Opener } from "./hosted.ts";
import { errorOf } from "./message.ts";
import type { ProbeAnswer } from "./probe-entry.ts";

const ENTRY = moduleUrl(new URL("./probe-entry.ts", import.meta.url));

/** Most time of the whole process. A driver that has not seen the kernels yet may compile for a minute or two. */
const PROBE_MS = 300_000;

/**
 * @param opener  with options that JSON can carry.
 * @returns the device that was opened; undefined for an engine without one.
 * @throws WorkError ENGINE_UNAVAILABLE, with `detail.gpu`
 */
export async function probe(
  opener: Opener,
  timeoutMs = PROBE_MS,
): Promise<DeviceFacts | undefined> {
  const { answer, end } = await ask(opener, timeoutMs);
  // Also when it has answered: what crashes at its end would crash at this one's.
  if (end !== undefined) throw gpuError("driver", end);
  if (answer === undefined) {
    throw gpuError("driver", "the process that tried the device said nothing; update the driver");
  }
  if (answer.kind === "failed") throw errorOf(answer.failure);
  return answer.device;
}

interface Outcome {
  readonly answer?: ProbeAnswer | undefined;
  /** What was wrong with the process; undefined: nothing. */
  readonly end?: string;
}

function ask(opener: Opener, timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const cannot = (error: Error) => {
      const reason = (error as NodeJS.ErrnoException).code ?? error.name;
      resolve({ end: `the device could not be tried in a process of its own (${reason})` });
    };
    let child: ChildProcess;
    try {
      // What drivers print is nobody's business.
      const stdio: StdioOptions = ["ignore", "ignore", "ignore", "ipc"];
      child = fork(fileURLToPath(ENTRY), [], { execArgv: [], stdio });
    } catch (error) {
      // Such as under Node's permissions.
      cannot(error as Error);
      return;
    }
    let answer: ProbeAnswer | undefined;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.on("message", (message: ProbeAnswer) => {
      answer = message;
    });
    child.on("error", cannot);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (isLate) {
        resolve({ end: `the driver did not open the device within ${timeoutMs} ms; update it` });
      } else if (signal !== null || code !== 0) {
        resolve({
          end: `the driver crashed when the device was tried (${signal ?? code}); update it`,
        });
      } else {
        resolve({ answer });
      }
    });
    child.send(opener);
  });
}
