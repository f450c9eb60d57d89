/** Starting contenders' processes, on a core of their own where that is asked for. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { Placement } from "./contender.ts";

let taskset: boolean | undefined;

/** Whether a process can be bound to a core here. */
export function canPin(): boolean {
  taskset ??= spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;
  return taskset;
}

/** The command that runs `command` on the placement's core. */
export function placed(
  command: readonly [string, ...string[]],
  { core }: Placement,
): readonly [string, ...string[]] {
  return core === undefined || !canPin() ? command : ["taskset", "-c", String(core), ...command];
}

/**
 * The most memory that a process and its living children had, in bytes: the sum of the resident
 * sets' peaks. Pages that processes share are counted in each.
 *
 * @returns undefined where the system does not say it (it has no /proc).
 */
export function peakBytesOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const own = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" "),
    );
    return children
      .filter((child) => child !== "")
      .reduce((sum, child) => sum + (peakBytesOf(Number(child)) ?? 0), own);
  } catch {
    return undefined;
  }
}
