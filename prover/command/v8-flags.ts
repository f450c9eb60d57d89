/**
 * V8's flags for the service, which receives inputs of megabytes while threads that compute have all cores.
 *
 * One thread collects garbage: V8 would have helpers on other cores, and whoever waits for them while
 * those cores compute stands still for 10 to 30 ms. And it collects less often: each input passes through
 * buffers as large as itself, and V8 of its own accord would collect everything four times a second at
 * 20 MB/s. That costs memory: as much as four times the heap of a thread, some 30 MB.
 *
 * Measured in docs/adr/0034-latency.md.
 */
export const V8_FLAGS: readonly string[] = ["--single-threaded-gc", "--heap-growing-percent=400"];

/** A setting that names a file which the parent opened. Node has most of them closed when it starts another program. */
const OPENED = /^\/(?:dev|proc\/\w+)\/fd\/(?![012]$)/;

/**
 * Starts this program again under these flags, in the same process: V8 cannot be given them later. Does
 * nothing if it has them, or where a program cannot replace itself: before Node 22.15, and on Windows; or if
 * a setting is a file that would be closed.
 * Then flags can be given by hand: `node --single-threaded-gc --heap-growing-percent=400 ...`.
 */
export function runUnderV8Flags(): void {
  const { execPath, execArgv, argv, env, platform } = process;
  const execve = process.execve as typeof process.execve | undefined;
  // A parent's channel would be lost.
  if (execve === undefined || platform === "win32" || process.channel) return;
  if (V8_FLAGS.every((flag) => execArgv.includes(flag))) return;
  // `--flag=value` as well as `--flag value`.
  const words = argv.slice(2).flatMap((word) => word.split("="));
  if ([...Object.values(env), ...words].some((word) => OPENED.test(word ?? ""))) return;
  try {
    execve(execPath, [execPath, ...V8_FLAGS, ...execArgv, ...argv.slice(1)], env);
  } catch {
    // Not allowed here (Node's permissions): answers come a little later then.
  }
}
