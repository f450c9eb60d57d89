/** The file that says who may call, and what they may do. */
import { Reloaded } from "../listening/reloaded.ts";
import { isCertificateName } from "./certificate-name.ts";
import { type CallerLimits, type Identity, RIGHTS, type Right } from "./identity.ts";
import { lineOfRepeatedField } from "./repeated-field.ts";

/** One who may call, and how it is known. */
export interface AccessEntry extends Identity {
  /** As `certificateNames` gives them. */
  readonly certificates: readonly string[];
  /** SHA-256 of its tokens: more than one while one takes another's place. */
  readonly tokenDigests: readonly Buffer[];
}

/** The file is not what it should be. Nothing of it is quoted but names and numbers. */
export class AccessFileError extends Error {
  override readonly name = "AccessFileError";
  readonly code = "ACCESS_FILE_REFUSED";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.map((problem) => `PROVER_ACCESS_FILE: ${problem}`).join("\n"));
    this.problems = problems;
  }
}

/** Names of callers. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const DIGEST = /^[0-9a-f]{64}$/;
/** Each token is compared with all. */
const ENTRIES_MAX = 1_000;
const LIMITS: Readonly<Record<keyof CallerLimits, readonly [number, number]>> = {
  waitingJobs: [1, 1_000_000],
  submissionsPerSecond: [0.001, 1_000_000],
  submissionsBurst: [1, 1_000_000],
  openCalls: [1, 1_000_000],
};
const FRACTIONAL: readonly string[] = ["submissionsPerSecond"];

/**
 * @param path  empty: no file.
 * @throws AccessFileError, or Error if the file cannot be read.
 */
export async function openAccessList(
  path: string,
): Promise<Reloaded<readonly AccessEntry[]> | undefined> {
  if (path === "") return undefined;
  return Reloaded.open([path], ([bytes]) => parseAccessList(bytes as Buffer));
}

/** @throws AccessFileError with all problems at once. */
export function parseAccessList(bytes: Uint8Array): readonly AccessEntry[] {
  let root: unknown;
  let line: number | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    root = JSON.parse(text);
    line = lineOfRepeatedField(text);
  } catch {
    throw new AccessFileError(["got a file that is not JSON"]);
  }
  if (line !== undefined) {
    throw new AccessFileError([`line ${line}: got a field a second time in one object`]);
  }
  const problems: string[] = [];
  const report = (at: string, problem: string) => problems.push(`${at}: ${problem}`);
  const file = fieldsOf(root, "the file", ["identities"], report);
  const list = file?.identities;
  if (!Array.isArray(list) || list.length === 0 || list.length > ENTRIES_MAX) {
    if (file !== undefined) report("identities", `expected an array of 1 to ${ENTRIES_MAX}`);
    throw new AccessFileError(problems);
  }
  const entries = list.map((item, i) => parseEntry(item, `identities[${i}]`, report));
  checkUnique(entries, "name", ({ name }) => [name], report);
  checkUnique(entries, "certificates", ({ certificates }) => certificates, report);
  checkUnique(
    entries,
    "tokenSha256",
    ({ tokenDigests }) => tokenDigests.map((digest) => digest.toString("hex")),
    report,
  );
  if (problems.length > 0) throw new AccessFileError(problems);
  return entries;
}

/** In the place of an entry that is none; the file is refused. */
const NOBODY: AccessEntry = {
  name: "",
  certificates: [],
  tokenDigests: [],
  rights: new Set(),
  limits: {},
};

type Report = (at: string, problem: string) => void;

function parseEntry(item: unknown, at: string, report: Report): AccessEntry {
  const known = ["name", "certificates", "tokenSha256", "rights", "limits"];
  const fields = fieldsOf(item, at, known, report);
  if (fields === undefined) return NOBODY;
  const { name } = fields;
  if (typeof name !== "string" || !NAME.test(name)) {
    report(`${at}.name`, "expected 1 to 63 of a-z 0-9 . _ -, not beginning with a sign");
  }
  const certificates = strings(fields.certificates, `${at}.certificates`, report);
  certificates.forEach((text, i) => {
    if (isCertificateName(text)) return;
    report(
      `${at}.certificates[${i}]`,
      "expected spiffe://domain/path, dns:name in lower case, or cn:name",
    );
  });
  const digests = strings(fields.tokenSha256, `${at}.tokenSha256`, report);
  digests.forEach((text, i) => {
    if (DIGEST.test(text)) return;
    report(
      `${at}.tokenSha256[${i}]`,
      "expected 64 hex digits in lower case: the hash that `proofmill token` prints, not the token",
    );
  });
  if (certificates.length + digests.length === 0) {
    report(at, "expected certificates, tokenSha256 or both: without them nobody can be it");
  }
  const rights = strings(fields.rights, `${at}.rights`, report);
  if (rights.length === 0) report(`${at}.rights`, `expected some of ${RIGHTS.join(", ")}`);
  rights.forEach((text, i) => {
    if ((RIGHTS as readonly string[]).includes(text)) return;
    report(`${at}.rights[${i}]`, `expected one of ${RIGHTS.join(", ")}`);
  });
  return {
    name: String(name),
    certificates,
    tokenDigests: digests
      .filter((text) => DIGEST.test(text))
      .map((text) => Buffer.from(text, "hex")),
    rights: new Set(rights as Right[]),
    limits: parseLimits(fields.limits, `${at}.limits`, report),
  };
}

function parseLimits(item: unknown, at: string, report: Report): CallerLimits {
  if (item === undefined) return {};
  const fields = fieldsOf(item, at, Object.keys(LIMITS), report) ?? {};
  for (const [name, [least, most]] of Object.entries(LIMITS)) {
    const value = fields[name];
    if (value === undefined) continue;
    const isNumber = FRACTIONAL.includes(name)
      ? typeof value === "number"
      : Number.isInteger(value);
    if (isNumber && (value as number) >= least && (value as number) <= most) continue;
    const kind = FRACTIONAL.includes(name) ? "a number" : "a whole number";
    report(`${at}.${name}`, `expected ${kind} from ${least} to ${most}`);
  }
  if (fields.submissionsBurst !== undefined && fields.submissionsPerSecond === undefined) {
    report(`${at}.submissionsBurst`, "says nothing without submissionsPerSecond");
  }
  return fields as CallerLimits;
}

function fieldsOf(
  item: unknown,
  at: string,
  known: readonly string[],
  report: Report,
): Record<string, unknown> | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    report(at, `expected an object with ${known.join(", ")}`);
    return undefined;
  }
  for (const name of Object.keys(item)) {
    // A misspelt limit would be no limit.
    if (!known.includes(name))
      report(at, `got an unknown field, expected only ${known.join(", ")}`);
  }
  return item as Record<string, unknown>;
}

function strings(item: unknown, at: string, report: Report): string[] {
  if (item === undefined) return [];
  if (Array.isArray(item) && item.every((value) => typeof value === "string")) return item;
  report(at, "expected an array of strings");
  return [];
}

/** Two who share a name, a certificate or a token could not be told apart. */
function checkUnique(
  entries: readonly AccessEntry[],
  field: string,
  of: (entry: AccessEntry) => readonly string[],
  report: Report,
): void {
  const first = new Map<string, number>();
  entries.forEach((entry, i) => {
    for (const value of of(entry)) {
      const before = first.get(value);
      if (before !== undefined) {
        report(`identities[${i}].${field}`, `is also identities[${before}]'s, expected its own`);
      } else first.set(value, i);
    }
  });
}
