// Loaded into each of the demo's processes with --import: it ends when its parent does, however that ended.
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  process.stdin.on("end", () => process.exit());
  process.stdin.resume();
  // Listening is no reason to go on.
  (process.stdin as unknown as { unref?: () => void }).unref?.();
}
