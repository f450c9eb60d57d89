import type { PeerCertificate } from "node:tls";
import { describe, expect, it } from "vitest";
import { AccessFileError, parseAccessList } from "../../prover/access/access-list.ts";
import { certificateNames, isCertificateName } from "../../prover/access/certificate-name.ts";
import { findDigest, hashOfToken, isToken, newToken } from "../../prover/access/token.ts";
import { TokenBucket } from "../../prover/access/token-bucket.ts";

const DIGEST = "ab".repeat(32);
const GOOD = { name: "a", tokenSha256: [DIGEST], rights: ["submit"] };

function parse(file: unknown) {
  const text = typeof file === "string" ? file : JSON.stringify(file);
  return parseAccessList(Buffer.from(text));
}

function problemsOf(file: unknown): readonly string[] {
  try {
    parse(file);
  } catch (error) {
    expect(error).toBeInstanceOf(AccessFileError);
    return (error as AccessFileError).problems;
  }
  return [];
}

describe("prover / access list", () => {
  it("reads names, ways to be known, rights and limits", () => {
    const limits = { waitingJobs: 4, submissionsPerSecond: 0.5, submissionsBurst: 2, openCalls: 8 };
    const certificates = ["spiffe://rollup.example/a", "dns:a.example", "cn:A caller"];
    const [entry, ...more] = parse({
      identities: [{ ...GOOD, certificates, rights: ["submit", "read"], limits }],
    });
    expect(more).toEqual([]);
    expect(entry).toEqual({
      name: "a",
      certificates,
      tokenDigests: [Buffer.from(DIGEST, "hex")],
      rights: new Set(["submit", "read"]),
      limits,
    });
  });

  it.each([
    ["text that is not JSON", "{"],
    ["bytes that are not UTF-8", Buffer.from([0xff, 0x7b]).toString("latin1")],
    ["a list", []],
    ["no identities", {}],
    ["an empty list of them", { identities: [] }],
    ["more than a thousand", { identities: Array(1_001).fill(GOOD) }],
    ["another field beside", { identities: [GOOD], version: 1 }],
    ["an identity that is no object", { identities: ["a"] }],
    ["a misspelt field", { identities: [{ ...GOOD, limit: {} }] }],
    ["a misspelt limit", { identities: [{ ...GOOD, limits: { waiting: 1 } }] }],
    ["a limit of 0", { identities: [{ ...GOOD, limits: { openCalls: 0 } }] }],
    ["a fractional count", { identities: [{ ...GOOD, limits: { waitingJobs: 1.5 } }] }],
    ["a limit as text", { identities: [{ ...GOOD, limits: { waitingJobs: "1" } }] }],
    ["a burst of nothing", { identities: [{ ...GOOD, limits: { submissionsBurst: 3 } }] }],
    ["an empty name", { identities: [{ ...GOOD, name: "" }] }],
    ["a name with a space", { identities: [{ ...GOOD, name: "a b" }] }],
    ["no rights", { identities: [{ ...GOOD, rights: [] }] }],
    ["an unknown right", { identities: [{ ...GOOD, rights: ["root"] }] }],
    ["nothing to be known by", { identities: [{ name: "a", rights: ["read"] }] }],
    ["a token instead of its hash", { identities: [{ ...GOOD, tokenSha256: [newToken()] }] }],
    ["a certificate without its kind", { identities: [{ ...GOOD, certificates: ["a.example"] }] }],
    ["a wildcard", { identities: [{ ...GOOD, certificates: ["dns:*.example"] }] }],
  ])("refuses %s", (_, file) => {
    expect(problemsOf(file)).toHaveLength(1);
  });

  it("refuses a field that is there twice, however it is written, and says on which line", () => {
    const rest = `"name": "a", "tokenSha256": ["${DIGEST}"]`;
    const of = (rights: string) => problemsOf(`{"identities": [{${rest},\n${rights}}]}`);
    expect(of('"rights": ["read"]')).toEqual([]);
    expect(of('"rights": ["read"],\n"rights": ["admin"]')[0]).toMatch(/^line 3: /);
    expect(of('"rights": ["read"], "r\\u0069ghts": ["admin"]')[0]).toMatch(/^line 2: /);
    const limits = '"limits": {"openCalls": 1, "openCalls": 2}';
    expect(of(`"rights": ["read"], ${limits}`)[0]).toMatch(/^line 2: /);
    // Beside each other, or as a value, it is no second one.
    const other = `{"name": "b", "certificates": ["cn:name"], "rights": ["read"]}`;
    expect(of(`"rights": ["read"]}, ${other.slice(0, -1)}`)).toEqual([]);
  });

  it("refuses two that could not be told apart", () => {
    const other = { ...GOOD, name: "b", tokenSha256: ["cd".repeat(32)] };
    expect(problemsOf({ identities: [GOOD, { ...other, name: "a" }] })[0]).toMatch(/\[1\]\.name/);
    expect(problemsOf({ identities: [GOOD, { ...other, tokenSha256: [DIGEST] }] })).toHaveLength(1);
    const certificates = ["cn:x"];
    const shared = [
      { ...GOOD, certificates },
      { ...other, certificates },
    ];
    expect(problemsOf({ identities: shared })).toHaveLength(1);
  });

  it("reports all problems at once, and quotes no secret", () => {
    const secret = newToken();
    const problems = problemsOf({
      identities: [
        { name: secret, tokenSha256: [secret], rights: [secret], limits: { x: secret } },
      ],
    });
    expect(problems).toHaveLength(4);
    expect(problems.join()).not.toContain(secret);
  });
});

describe("prover / certificate names", () => {
  const namesOf = (subjectaltname: string | undefined, CN?: unknown) =>
    certificateNames({ subjectaltname, subject: { CN } } as unknown as PeerCertificate);

  it("are the SPIFFE id, else the DNS names, else the common name", () => {
    const id = "spiffe://rollup.example/sequencer";
    expect(namesOf(`DNS:a.example, URI:${id}`, "admin")).toEqual([id]);
    expect(namesOf("DNS:A.example, DNS:b.example", "admin")).toEqual([
      "dns:a.example",
      "dns:b.example",
    ]);
    expect(namesOf(undefined, "admin")).toEqual(["cn:admin"]);
  });

  it.each([
    ["two SPIFFE ids", "URI:spiffe://a.example/x, URI:spiffe://a.example/y", "admin"],
    ["a URI of another kind", "URI:https://a.example/x, DNS:a.example", "admin"],
    ["a SPIFFE id without a path", "URI:spiffe://a.example", "admin"],
    ["a SPIFFE id with a question", "URI:spiffe://a.example/x?y", "admin"],
    ["alternatives that are no names", "IP Address:127.0.0.1", "admin"],
    ["a quoted name", 'DNS:"a.example, DNS:b.example"', "admin"],
    ["several common names", undefined, ["admin", "other"]],
    ["a common name with a line end", undefined, "admin\nx"],
    ["a common name like a kind", undefined, "dns:a.example"],
    ["no name", undefined, undefined],
  ])("are none with %s", (_, alternatives, common) => {
    expect(namesOf(alternatives, common)).toEqual([]);
  });

  it("have one form only", () => {
    for (const name of ["spiffe://a/b", "dns:a", "dns:a-1.example", "cn:A b@c.d"]) {
      expect(isCertificateName(name), name).toBe(true);
    }
    for (const name of ["", "a", "dns:", "dns:A", "dns:a..b", "cn:", "cn: a", "SPIFFE://a/b"]) {
      expect(isCertificateName(name), name).toBe(false);
    }
  });
});

describe("prover / API tokens", () => {
  it("are of one form, and never the same twice", () => {
    const tokens = Array.from({ length: 100 }, newToken);
    expect(tokens.every(isToken)).toBe(true);
    expect(new Set(tokens).size).toBe(100);
    expect(isToken(`${tokens[0]}x`) || isToken("") || isToken("proofmill_")).toBe(false);
  });

  it("are found by their hash wherever it stands, and no others", () => {
    const tokens = Array.from({ length: 5 }, newToken);
    const known = tokens.map(hashOfToken);
    expect(tokens.map((token) => findDigest(hashOfToken(token), known))).toEqual([0, 1, 2, 3, 4]);
    expect(findDigest(hashOfToken(newToken()), known)).toBe(-1);
    expect(findDigest(hashOfToken(newToken()), [])).toBe(-1);
  });
});

describe("prover / token bucket", () => {
  it("lets a burst through, then so many a second, and says when the next may come", () => {
    const bucket = new TokenBucket(4, 2, 0);
    expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([0, 0, 250]);
    expect(bucket.take(249)).toBe(1);
    expect(bucket.take(250)).toBe(0);
    expect(bucket.take(250)).toBe(250);
    expect([bucket.take(60_000), bucket.take(60_000), bucket.take(60_000)]).toEqual([0, 0, 250]);
  });

  it("keeps what was used when its numbers change", () => {
    const bucket = new TokenBucket(1, 10, 0);
    for (let i = 0; i < 10; i++) bucket.take(0);
    bucket.change(2, 5, 0);
    expect(bucket.take(0)).toBe(500);
    expect(bucket.take(10_000)).toBe(0);
    bucket.change(2, 1, 10_000);
    expect([bucket.take(10_000), bucket.take(10_000)]).toEqual([0, 500]);
  });
});
