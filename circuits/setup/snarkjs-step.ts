/**
 * One step of a ceremony in a process of its own, which does nothing else and then ends.
 *
 * For two reasons. The secret of a contribution lives in that process's memory only. And snarkjs
 * 0.7 leaves files open (always in `verifyFromR1cs`, elsewhere on failure) and threads running; since
 * Node 26 a file that the garbage collector has to close is an uncaught error, which must not end a
 * program that has other work.
 */
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";

export type SnarkjsStep =
  | { readonly step: "verifyPowersOfTau"; readonly ptau: string }
  | { readonly step: "newKey"; readonly r1cs: string; readonly ptau: string; readonly zkey: string }
  | {
      readonly step: "contribute";
      readonly from: string;
      readonly to: string;
      readonly name: string;
    }
  | {
      readonly step: "beacon";
      readonly from: string;
      readonly to: string;
      readonly name: string;
      readonly randomness: string;
      readonly iterationsLog2: number;
    }
  | {
      readonly step: "verifyKey";
      readonly r1cs: string;
      readonly ptau: string;
      readonly zkey: string;
    };

/**
 * What snarkjs answered: a hash in hexadecimal, or a truth value. It answers false (or -1, here
 * false, too) where it has only logged what is wrong.
 */
export type StepResult = string | boolean;

/** From the process of a step to the one that asked for it. */
type Message =
  | { readonly kind: "line"; readonly line: string }
  | { readonly kind: "result"; readonly result: StepResult }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

/** A step did not come to an answer. `code` is Node's, such as ERR_MODULE_NOT_FOUND, or empty. */
export class StepError extends Error {
  override readonly name = "StepError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Runs one step.
 *
 * @param onLine  receives snarkjs's findings, not its progress.
 * @throws StepError
 */
export function runStep(step: SnarkjsStep, onLine: (line: string) => void): Promise<StepResult> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [CHILD], { execArgv: [] });
    let outcome: () => void = () =>
      reject(new StepError("", `snarkjs ended in the middle of the step ${step.step}`));
    child.on("message", (message: Message) => {
      if (message.kind === "line") onLine(message.line);
      else if (message.kind === "result") outcome = () => resolve(message.result);
      else outcome = () => reject(new StepError(message.code, message.message));
    });
    child.on("error", reject);
    child.on("exit", () => outcome());
    child.send(step);
  });
}

/** The one argument by which this file knows that it is the process of a step. */
const CHILD = "snarkjs-step";

interface Logger {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** The functions of snarkjs that are used, as they are in 0.7; its published types differ. */
interface Snarkjs {
  powersOfTau: { verify(path: string, logger: Logger): Promise<unknown> };
  zKey: {
    newZKey(...args: [r1cs: string, ptau: string, zkey: string, Logger]): Promise<unknown>;
    contribute(
      ...args: [from: string, to: string, name: string, entropy: string, Logger]
    ): Promise<unknown>;
    beacon(
      ...args: [from: string, to: string, name: string, hash: string, log2: number, Logger]
    ): Promise<unknown>;
    verifyFromR1cs(...args: [r1cs: string, ptau: string, zkey: string, Logger]): Promise<unknown>;
  };
}

async function performStep(step: SnarkjsStep, logger: Logger): Promise<StepResult> {
  const { powersOfTau, zKey } = (await import("snarkjs")) as unknown as Snarkjs;
  const answer = await (() => {
    switch (step.step) {
      case "verifyPowersOfTau":
        return powersOfTau.verify(step.ptau, logger);
      case "newKey":
        return zKey.newZKey(step.r1cs, step.ptau, step.zkey, logger);
      case "contribute": {
        // snarkjs mixes this with randomness that it draws itself.
        const entropy = randomBytes(64).toString("hex");
        return zKey.contribute(step.from, step.to, step.name, entropy, logger);
      }
      case "beacon": {
        const { from, to, name, randomness, iterationsLog2 } = step;
        return zKey.beacon(from, to, name, randomness, iterationsLog2, logger);
      }
      case "verifyKey":
        return zKey.verifyFromR1cs(step.r1cs, step.ptau, step.zkey, logger);
    }
  })();
  return answer instanceof Uint8Array ? Buffer.from(answer).toString("hex") : answer === true;
}

function answerParent(): void {
  const send = (message: Message): Promise<void> =>
    new Promise((done) => process.send?.(message, undefined, undefined, () => done()));
  const say = (line: string): void => void send({ kind: "line", line });
  // Progress by the hundred thousand points is in `debug`; findings and refusals are in the others.
  const logger: Logger = { debug: () => {}, info: say, warn: say, error: say };
  process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
    // A file that snarkjs left open, see above: no reason to stop.
    if (error.code === "ERR_INVALID_STATE" && error.message.includes("FileHandle")) return;
    throw error;
  });
  // The program that asked has ended: nobody waits for the answer.
  process.on("disconnect", () => process.exit(1));
  process.once("message", async (step: SnarkjsStep) => {
    try {
      await send({ kind: "result", result: await performStep(step, logger) });
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      await send({ kind: "failed", code, message });
    }
    process.exit(0);
  });
}

if (process.argv[2] === CHILD && process.argv[1] === import.meta.filename) answerParent();
