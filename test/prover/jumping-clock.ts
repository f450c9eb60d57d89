// For `node --import`: a system clock that someone sets while the program runs. Each SIGUSR2 makes it
// read from the file CLOCK_FILE how many milliseconds it is wrong. Timers go on as they would.
import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const TrueDate = Date;
let offsetMs = 0;

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, args) =>
    args.length === 0 ? new target(target.now() + offsetMs) : Reflect.construct(target, args),
  get: (target, name) =>
    name === "now" ? () => target.now() + offsetMs : Reflect.get(target, name),
});

// Threads have no signals; what they compute asks for no time of day.
if (isMainThread) {
  process.on("SIGUSR2", () => {
    offsetMs = Number(readFileSync(process.env.CLOCK_FILE ?? "", "utf8"));
  });
}
