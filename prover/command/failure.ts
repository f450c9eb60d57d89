// Which exit code and which words an error gets. Known errors speak for themselves; unknown ones show their stack.
import { EXIT, UsageError } from "./command.ts";

/** What is printed and returned when a command throws. */
export interface Failure {
  readonly exitCode: number;
  /** Stable name for machines: the error's own `code`, or `USAGE`, `SETTINGS`, `INTERRUPTED`, `BUG`. */
  readonly code: string;
  readonly message: string;
}

/** gRPC codes that say "try again later", not "you are wrong". */
const UNAVAILABLE_CODES = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"]);

/** Node's codes for a file that cannot be used, in words. */
const FILE_CODES: Record<string, string> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EISDIR: "this is a folder, expected a file",
  ENOTDIR: "this is a file, expected a folder",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
  EIO: "cannot be read (input/output error)",
  ERR_FS_FILE_TOO_LARGE: "larger than 2 GiB, more than can be read",
};

/** Errors without a code that refuse what they were given. By name, so that their modules need not be loaded. */
const REFUSAL_CODES: Record<string, string> = {
  CircuitError: "CIRCUIT_REFUSED",
  CeremonyError: "CEREMONY_REFUSED",
};

export function describeFailure(caught: unknown, signal: AbortSignal): Failure {
  if (signal.aborted) {
    return { exitCode: EXIT.interrupted, code: "INTERRUPTED", message: "interrupted" };
  }
  if (caught instanceof UsageError) {
    return { exitCode: EXIT.usage, code: "USAGE", message: caught.message };
  }
  if (caught instanceof Error && caught.name === "ConfigError") {
    return { exitCode: EXIT.usage, code: "SETTINGS", message: caught.message };
  }
  if (!(caught instanceof Error)) {
    return { exitCode: EXIT.defect, code: "BUG", message: String(caught) };
  }
  const { code, path } = caught as { code?: unknown; path?: unknown };
  if (typeof code === "string" && FILE_CODES[code] !== undefined) {
    const where = typeof path === "string" ? `${path}: ` : "";
    return { exitCode: EXIT.refused, code, message: where + FILE_CODES[code] };
  }
  if (typeof code === "string" && UNAVAILABLE_CODES.has(code)) {
    return { exitCode: EXIT.unavailable, code, message: inOwnWords(caught.message) };
  }
  if (typeof code === "string" && code !== "BUG" && /^[A-Z][A-Z_]+$/.test(code)) {
    return { exitCode: EXIT.refused, code, message: caught.message };
  }
  const refusal = REFUSAL_CODES[caught.name];
  if (refusal !== undefined) {
    return { exitCode: EXIT.refused, code: refusal, message: caught.message };
  }
  return { exitCode: EXIT.defect, code: "BUG", message: caught.stack ?? caught.message };
}

/** What grpc-js says where nobody answers, with a time and an empty note. */
const UNCONNECTED =
  /^No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-\S+Z\))?\. Resolution note: .*$/s;

function inOwnWords(message: string): string {
  const [, why] = UNCONNECTED.exec(message) ?? [];
  if (why === undefined) return message;
  return `no connection to the service (${why}). Is it there, and do both sides use TLS (--tls, --tls-ca), or neither?`;
}
