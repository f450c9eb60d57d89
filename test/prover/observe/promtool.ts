import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

/** Prometheus's own checker, where it is installed. */
export const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;

/** For the name of a test that cannot run. */
export const promtoolMissing = "skipped: no promtool here (Debian: prometheus)";

const run = promisify(execFile);

/** @throws Error with what promtool says if it refuses. */
export async function promtool(args: readonly string[], input = ""): Promise<string> {
  const running = run("promtool", args);
  running.child.stdin?.end(input);
  const { stdout, stderr } = await running;
  return stdout + stderr;
}
