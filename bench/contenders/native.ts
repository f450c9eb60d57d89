/**
 * Native provers, given by path; none is part of this project. Two ways to talk to one:
 *
 * - as a command, `PATH ZKEY WTNS PROOF PUBLIC`, as rapidsnark's prover is called: every proof is a
 *   process that loads the key, so its time holds both;
 * - as a server, `PATH ZKEY`: it loads the key, prints `ready MILLISECONDS`, and for each line
 *   `WTNS PROOF PUBLIC` on its standard input writes the two JSON files and prints the milliseconds
 *   that the proof took, or `error` and a reason. That is how key load and proof are told apart.
 *
 * Either takes its number of threads from OMP_NUM_THREADS and is bound to a core where one thread is
 * asked for. Paths have no spaces, as the server's lines could not hold them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fixture } from "../fixtures/fixture.ts";
import type { Contender, Placement } from "./contender.ts";
import { NativeCommand } from "./native-command.ts";
import { NativeServer } from "./native-server.ts";
import { placed } from "./process.ts";

export interface NativePeer {
  readonly name: string;
  readonly path: string;
  readonly protocol: "command" | "server";
}

/** @param threads  what OMP_NUM_THREADS says. */
export async function openNative(
  peer: NativePeer,
  threads: number,
  fixture: Fixture,
  placement: Placement,
): Promise<Contender> {
  const folder = await mkdtemp(join(tmpdir(), "proofmill-bench-"));
  const environment = { ...process.env, OMP_NUM_THREADS: String(threads) };
  const start = (words: readonly string[], stdio: "pipe" | "ignore"): ChildProcess => {
    const [command, ...rest] = placed([peer.path, ...words], placement);
    return spawn(command, rest, { env: environment, stdio: [stdio, "pipe", "pipe"] });
  };
  const opened =
    peer.protocol === "server"
      ? new NativeServer(peer.name, start([fixture.zkeyPath], "pipe"), fixture, folder)
      : new NativeCommand(peer.name, (words) => start(words, "ignore"), fixture, folder);
  try {
    await opened.ready();
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}
