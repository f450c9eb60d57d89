import { describe, expect, it } from "vitest";
import {
  ConfigError,
  OPTIONS,
  optionsTable,
  parseConfig,
  unknownSettings,
} from "../../prover/config.ts";

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    parseConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

describe("prover / config", () => {
  it("has safe defaults: this machine only, and no development keys", () => {
    const config = parseConfig({});
    expect(config).toMatchObject({
      listen: "127.0.0.1:50051",
      adminListen: "127.0.0.1:50052",
      allowDevKeys: false,
      allowPlaintext: false,
      messageMaxBytes: 16 * 1024 * 1024,
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.keys(config)).toHaveLength(Object.keys(OPTIONS).length);
  });

  it("accepts its own defaults when they are written out", () => {
    for (const [name, { default: preset }] of Object.entries(OPTIONS)) {
      expect(parseConfig({ [name]: String(preset) }), name).toEqual(parseConfig({}));
    }
  });

  it("reads the environment, and overrides before it", () => {
    const environment = { PROVER_QUEUE_MAX: "5", PROVER_CIRCUITS: "batch-4, batch-9" };
    expect(parseConfig(environment, { PROVER_QUEUE_MAX: "6" })).toMatchObject({
      queueMax: 6,
      circuits: ["batch-4", "batch-9"],
    });
    expect(parseConfig({ PROVER_QUEUE_MAX: "" }).queueMax).toBe(256);
  });

  it("reports every problem at once, with name, value and rule", () => {
    const problems = problemsOf({
      PROVER_THREADS: "4abc",
      PROVER_QUEUE_MAX: "0",
      PROVER_LISTEN: "50051",
      PROVER_ALLOW_DEV_KEYS: "1",
      PROVER_LOG_LEVEL: "loud",
      PROVER_CIRCUITS: "a,,b",
      PROVER_DRAIN_MS: "-1",
    });
    expect(problems).toHaveLength(7);
    expect(problems).toContain('PROVER_THREADS: got "4abc", expected a whole number from 1 to 256');
    expect(problems).toContain('PROVER_ALLOW_DEV_KEYS: got "1", expected true or false');
    for (const problem of problems) expect(problem).toMatch(/^PROVER_\w+: got ".*", expected /);
  });

  it.each(["0.0.0.0:50051", "[::]:50051", "10.0.0.1:50051", "prover.internal:50051"])(
    "refuses to listen on %s without TLS, unless told by name",
    (listen) => {
      expect(problemsOf({ PROVER_LISTEN: listen })[0]).toMatch(/^PROVER_LISTEN: .* without TLS/);
      const asked = { PROVER_LISTEN: listen, PROVER_ALLOW_PLAINTEXT: "true" };
      expect(parseConfig(asked).listen).toBe(listen);
    },
  );

  const tls = { PROVER_TLS_CERT: "cert.pem", PROVER_TLS_KEY: "key.pem" };

  it("serves other machines with TLS only if it knows who they are, or is told by name not to ask", () => {
    const open = { PROVER_LISTEN: "0.0.0.0:50051", ...tls };
    expect(problemsOf(open)).toEqual([
      expect.stringMatching(/^PROVER_LISTEN: .* nothing that says who may call/),
    ]);
    for (const known of ["PROVER_TLS_CLIENT_CA", "PROVER_ACCESS_FILE"]) {
      expect(problemsOf({ ...open, [known]: "file" }), known).toEqual([]);
    }
    expect(problemsOf({ ...open, PROVER_ALLOW_ANONYMOUS: "true" })).toEqual([]);
  });

  it("opens the admin port to other machines only with an access file, or if told by name", () => {
    const open = { PROVER_ADMIN_LISTEN: "0.0.0.0:50052", ...tls, PROVER_TLS_CLIENT_CA: "ca.pem" };
    expect(problemsOf(open)).toEqual([
      expect.stringMatching(/^PROVER_ADMIN_LISTEN: .* without PROVER_ACCESS_FILE/),
    ]);
    const plain = { PROVER_ADMIN_LISTEN: "0.0.0.0:50052", PROVER_ALLOW_PLAINTEXT: "true" };
    expect(problemsOf(plain)).toHaveLength(1);
    expect(problemsOf({ ...open, PROVER_ACCESS_FILE: "access.json" })).toEqual([]);
    expect(problemsOf({ ...plain, PROVER_ALLOW_ANONYMOUS: "true" })).toEqual([]);
  });

  it("refuses tokens in the clear, whatever else is allowed", () => {
    const clear = {
      PROVER_LISTEN: "0.0.0.0:50051",
      PROVER_ACCESS_FILE: "access.json",
      PROVER_ALLOW_PLAINTEXT: "true",
      PROVER_ALLOW_ANONYMOUS: "true",
    };
    expect(problemsOf(clear)).toEqual([expect.stringMatching(/^PROVER_LISTEN: .* no token/)]);
    expect(problemsOf({ PROVER_ACCESS_FILE: "access.json" })).toEqual([]);
  });

  it("asks for certificates without demanding them only where an access file decides", () => {
    const optional = { ...tls, PROVER_TLS_CLIENT_CERT: "optional" };
    expect(problemsOf(optional)).toHaveLength(1);
    expect(problemsOf({ ...optional, PROVER_TLS_CLIENT_CA: "ca.pem" })).toHaveLength(1);
    const both = { PROVER_TLS_CLIENT_CA: "ca.pem", PROVER_ACCESS_FILE: "access.json" };
    expect(problemsOf({ ...optional, ...both })).toEqual([]);
  });

  it.each(["127.0.0.1:0", "127.1.2.3:1", "localhost:50051", "[::1]:50051"])(
    "listens on %s without TLS",
    (listen) => {
      expect(parseConfig({ PROVER_LISTEN: listen, PROVER_ADMIN_LISTEN: listen })).toBeDefined();
    },
  );

  it.each(["127.0.0.1", ":50051", "127.0.0.1:65536", "[1.2.3.4]:5", "::1:50051"])(
    "refuses the address %s",
    (listen) => {
      expect(problemsOf({ PROVER_LISTEN: listen })).toHaveLength(1);
    },
  );

  it("refuses half a certificate, and callers' certificates without one", () => {
    expect(problemsOf({ PROVER_TLS_CERT: "cert.pem" })).toHaveLength(1);
    expect(problemsOf({ PROVER_TLS_KEY: "key.pem" })).toHaveLength(1);
    expect(problemsOf({ PROVER_TLS_CLIENT_CA: "ca.pem" })).toHaveLength(1);
  });

  it("names variables that are most likely misspelt", () => {
    expect(unknownSettings({ PROVER_QUEUEMAX: "3", PROVER_QUEUE_MAX: "3", PATH: "/bin" })).toEqual([
      "PROVER_QUEUEMAX",
    ]);
  });

  it("prints a table with one row for each setting and no two meanings alike", () => {
    const rows = optionsTable().split("\n");
    expect(rows).toHaveLength(Object.keys(OPTIONS).length + 2);
    const meanings = Object.values(OPTIONS).map(({ meaning }) => meaning);
    expect(new Set(meanings).size).toBe(meanings.length);
    // A duration or size whose unit is in the name needs none in its meaning.
    for (const [name, { default: preset }] of Object.entries(OPTIONS)) {
      if (typeof preset === "number") expect(name).toMatch(/_(MS|BYTES|MAX|THREADS|NICE|KEEP)$/);
    }
  });
});
