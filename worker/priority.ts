/** What the operating system's scheduler is told of a thread. */
import { readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * Makes the calling thread give way to threads that want the core for a moment: it gets the less of a
 * core that it shares, the higher the number is, and all of one that it has for itself.
 *
 * Linux only, where a thread has a priority of its own. Elsewhere, and where it is forbidden, nothing
 * changes: it is a wish.
 *
 * @param niceness  0 (as it is) to 19, as in nice(1).
 */
export function giveWay(niceness: number): void {
  if (niceness === 0 || process.platform !== "linux") return;
  try {
    // The link of whoever reads it: PID/task/TID.
    const thread = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    if (Number.isInteger(thread) && thread > 0) setPriority(thread, niceness);
  } catch {
    // No /proc, or a sandbox that forbids it.
  }
}
