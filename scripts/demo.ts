#!/usr/bin/env node
// The whole system on one machine in a few minutes: a local chain, the contracts, the proving service and the
// operator, each in its own process, and people who move money. Exit code 0 only if everything was as expected.

import { Children } from "./demo/children.ts";
import { Screen } from "./demo/screen.ts";
import { build, start } from "./demo/stage.ts";

/** The first run builds; on a slow machine that takes most of it. */
const TIME_LIMIT_MS = 600_000;
const INTERRUPTED = 130;

const screen = new Screen();
const children = new Children();
let isInterrupted = false;

async function run(): Promise<number> {
  screen.title(
    "Proofmill",
    "signed transfers in, proven blocks out: the whole system on this machine",
  );
  try {
    await build(screen, children);
    // It needs what the build has just generated.
    const { Story } = await import("./demo/story.ts");
    const played = start(screen, children).then((stage) => Story.play(stage, screen));
    await Promise.race([played, children.failed]);
    return screen.conclude() ? 0 : 1;
  } catch (error) {
    screen.settle();
    if (!isInterrupted) {
      process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    }
    return isInterrupted ? INTERRUPTED : 1;
  } finally {
    await children.close();
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    isInterrupted = true;
    void children.close().then(() => process.exit(INTERRUPTED));
  });
}
setTimeout(() => {
  process.stderr.write(`\nnot finished after ${TIME_LIMIT_MS / 1000} s\n`);
  process.exit(1);
}, TIME_LIMIT_MS).unref();
process.exit(await run());
