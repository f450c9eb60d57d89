#!/usr/bin/env node
// The command line. `proofmill help` lists the commands; each has its own file here.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { VERSION } from "../version.ts";
import { type Command, EXIT, type Flags, type Terminal, UsageError } from "./command.ts";
import { describeFailure } from "./failure.ts";
import { runUnderV8Flags } from "./v8-flags.ts";

/** Loaded on demand: `proofmill verify` need not load a gRPC server. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  serve: async () => (await import("./serve.ts")).serve,
  prove: async () => (await import("./prove.ts")).prove,
  verify: async () => (await import("./verify.ts")).verify,
  setup: async () => (await import("./setup.ts")).setup,
  inspect: async () => (await import("./inspect.ts")).inspect,
  submit: async () => (await import("./submit.ts")).submit,
  watch: async () => (await import("./watch.ts")).watch,
  cancel: async () => (await import("./cancel.ts")).cancel,
  list: async () => (await import("./list.ts")).list,
  admin: async () => (await import("./admin.ts")).admin,
  operate: async () => (await import("./operate.ts")).operate,
  watchtower: async () => (await import("./watchtower.ts")).watchtower,
  propose: async () => (await import("./propose.ts")).propose,
  challenge: async () => (await import("./challenge.ts")).challenge,
  token: async () => (await import("./token.ts")).token,
  backup: async () => (await import("./backup.ts")).backup,
  health: async () => (await import("./health.ts")).health,
};

/** Understood by every command. */
const COMMON_OPTIONS = {
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
} as const;

async function listCommands(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`);
  return [
    "usage: proofmill <command> [arguments] [--json]",
    "",
    ...rows,
    "  help       this list; `proofmill <command> --help` for one command",
    "",
    "exit codes: 0 done, 1 the answer is no, 2 called wrongly, 3 refused input,",
    "            4 service unavailable, 70 a defect of this program, 130 interrupted",
    "",
  ].join("\n");
}

async function runCommand(command: Command, words: string[], terminal: Terminal): Promise<number> {
  let parsed: { values: Flags; positionals: string[] };
  try {
    parsed = parseArgs({
      args: words,
      options: { ...command.options, ...COMMON_OPTIONS },
      allowPositionals: true,
    }) as { values: Flags; positionals: string[] };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (parsed.values.help) {
    terminal.stdout.write(`usage: proofmill ${command.name} ${command.usage}\n`);
    return EXIT.ok;
  }
  return command.run(parsed.positionals, parsed.values, terminal);
}

/**
 * Runs one command line.
 *
 * @param words the arguments after the program's name.
 * @returns the exit code; never throws.
 */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    terminal.stdout.write(await listCommands());
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  if (name === "--version" || name === "version") {
    terminal.stdout.write(`proofmill ${VERSION}\n`);
    return EXIT.ok;
  }
  const asJson = rest.includes("--json");
  let command: Command | undefined;
  try {
    const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!load) throw new UsageError(`"${name}" is no command; \`proofmill help\` lists them`);
    command = await load();
    return await runCommand(command, rest, terminal);
  } catch (error) {
    const failure = describeFailure(error, terminal.signal);
    if (asJson) {
      const { code, message } = failure;
      terminal.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    } else {
      terminal.stderr.write(`proofmill: ${failure.message}\n`);
      // The arguments only: all flags of a command would push the error off the screen.
      if (failure.code === "USAGE" && command) {
        const [synopsis] = command.usage.split("\n\n");
        terminal.stderr.write(
          `usage: proofmill ${command.name} ${synopsis}\n\`proofmill ${command.name} --help\` says all of it\n`,
        );
      }
    }
    return failure.exitCode;
  }
}

/** True when this file is the program, also through the symbolic link in `node_modules/.bin`. */
function isProgram(): boolean {
  const program = process.argv[1];
  return program !== undefined && realpathSync(program) === fileURLToPath(import.meta.url);
}

if (isProgram()) {
  if (process.argv[2] === "serve") runUnderV8Flags();
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read our output has left. The work goes on: it may be a service, or a file to write.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stop.abort(new Error(signal)));
  }
  process.exitCode = await main(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: stop.signal,
  });
}
