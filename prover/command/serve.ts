import type { ParseArgsOptionsConfig } from "node:util";
import { pino } from "pino";
import { OPTIONS, parseConfig, unknownSettings } from "../config.ts";
import { startServer } from "../server.ts";
import { type Command, EXIT, type Flags, UsageError } from "./command.ts";
import { whenAborted } from "./output.ts";

/** PROVER_QUEUE_MAX is also `--queue-max`; switches take no value, and only switch something on. */
const FLAGS = Object.fromEntries(
  Object.entries(OPTIONS).map(([variable, { default: preset }]) => [
    variable.slice("PROVER_".length).toLowerCase().replaceAll("_", "-"),
    { variable, isSwitch: preset === false },
  ]),
);

const options: ParseArgsOptionsConfig = Object.fromEntries(
  Object.entries(FLAGS).map(([flag, { isSwitch }]) => [
    flag,
    { type: isSwitch ? "boolean" : "string" },
  ]),
);

function usage(): string {
  const rows = Object.entries(FLAGS).map(([flag, { variable, isSwitch }]) => {
    const { meaning, default: preset } = OPTIONS[variable as keyof typeof OPTIONS];
    const shown = isSwitch ? "" : ` (${String(preset) || "empty"})`;
    return `  --${flag.padEnd(22)} ${meaning}${shown}`;
  });
  return `[flags]

Runs the proving service until SIGTERM or Ctrl-C, then finishes what it has accepted. SIGHUP reads
certificates again. Each flag can also be given as an environment variable: --queue-max is PROVER_QUEUE_MAX.

${rows.join("\n")}`;
}

function overridesOf(flags: Flags): Record<string, string> {
  const given = Object.entries(FLAGS).filter(([flag]) => flags[flag] !== undefined);
  return Object.fromEntries(given.map(([flag, { variable }]) => [variable, String(flags[flag])]));
}

export const serve: Command = {
  name: "serve",
  summary: "run the proving service (gRPC)",
  usage: usage(),
  options,
  async run(positionals, flags, { stdout, env, signal }) {
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0]}" is one argument too many`);
    const config = parseConfig(env, overridesOf(flags));
    const log = pino({ level: config.logLevel });
    for (const name of unknownSettings(env)) log.warn({ name }, "unknown setting: misspelt?");
    // Keys may take minutes to load, and nothing has been accepted by then: there is nothing to wait for.
    const leave = () => {
      log.info("stopped during the start");
      process.exit(EXIT.ok);
    };
    signal.addEventListener("abort", leave);
    const server = await startServer(config, { log });
    signal.removeEventListener("abort", leave);
    // The one line that a supervisor waits for; logs may be off.
    const { port, adminPort } = server;
    const { role } = config;
    stdout.write(`${JSON.stringify({ ...(port > 0 && { port }), adminPort, role })}\n`);
    const reload = () => server.reload();
    process.on("SIGHUP", reload);
    await whenAborted(signal);
    await server.close();
    process.off("SIGHUP", reload);
    return EXIT.ok;
  },
};
