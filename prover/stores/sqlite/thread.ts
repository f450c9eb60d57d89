/** The thread of a store in SQLite: waits for the disk, so that the service need not. */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";
import { ProverError } from "../../errors.ts";
import { type Committed, errorData } from "./group-commit.ts";
import { JobFile } from "./job-file.ts";
import {
  type CallMessage,
  CLOSE,
  type Claimed,
  type ThreadData,
  type ThreadMessage,
} from "./messages.ts";

const port = parentPort as MessagePort;
const say = (message: ThreadMessage, transfer: ArrayBuffer[] = []) =>
  port.postMessage(message, transfer);

try {
  const file = await JobFile.open(workerData as ThreadData);
  say({ kind: "opened", waiting: file.waiting() });
  port.on("message", (first: CallMessage | typeof CLOSE) => {
    // Those that came while the disk was waited for share the next wait.
    const asked = [first];
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      asked.push(next.message);
    }
    file.handle(
      asked.filter((call) => call !== CLOSE),
      (done) => say({ kind: "done", ...done }, inputsOf(done)),
    );
    if (!asked.includes(CLOSE)) return;
    file.close();
    port.close();
  });
} catch (error) {
  say({
    kind: "not opened",
    error: error instanceof ProverError ? errorData(error) : (error as Error).message,
  });
  port.close();
}

/** Inputs move to who claimed them: no copy stays here. */
function inputsOf({ answers }: Committed): ArrayBuffer[] {
  return answers.flatMap((answer) => {
    const claimed = "value" in answer ? (answer.value as Partial<Claimed> | undefined) : undefined;
    const buffer = claimed?.input?.bytes.buffer;
    const isWhole = buffer?.byteLength === claimed?.input?.bytes.byteLength;
    return buffer instanceof ArrayBuffer && isWhole ? [buffer] : [];
  });
}
