import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Contender, ContenderError } from "../../bench/contenders/contender.ts";
import { contenderPlans } from "../../bench/contenders/list.ts";
import { type NativePeer, openNative } from "../../bench/contenders/native.ts";
import type { Fixture } from "../../bench/fixtures/fixture.ts";
import { MissingList, type Session, tryOpen } from "../../bench/measure/session.ts";
import { Verifier } from "../../bench/measure/verifier.ts";
import type { Options } from "../../bench/options.ts";
import { ELEMENT_BYTES } from "../../worker/field.ts";
import { fakePeer, smallFixture, temporaryFolder } from "./small-fixture.ts";

let folder: string;
let fixture: Fixture;
let verifier: Verifier;

beforeAll(async () => {
  folder = await temporaryFolder();
  fixture = await smallFixture(folder);
  verifier = new Verifier();
});

afterAll(async () => {
  await verifier.close();
  await rm(folder, { recursive: true });
});

async function using<T>(opened: Promise<Contender>, use: (contender: Contender) => Promise<T>) {
  const contender = await opened;
  try {
    return await use(contender);
  } finally {
    await contender.close();
  }
}

async function native(protocol: NativePeer["protocol"], fault = "", threads = 1) {
  return openNative(
    { name: "fake", path: await fakePeer(folder, fault), protocol },
    threads,
    fixture,
    {},
  );
}

function planOf(id: string) {
  const plan = contenderPlans([], 2).find((one) => one.id === id);
  if (plan === undefined) throw new RangeError(`no contender ${id}`);
  return plan;
}

describe("contenderPlans", () => {
  it("have different ids, and one-thread forms that exist", () => {
    const plans = contenderPlans([{ name: "rapidsnark", path: "x", protocol: "server" }], 2);
    const ids = plans.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, threads, oneThreadId } of plans) {
      if (threads === "all") expect(ids, id).toContain(oneThreadId);
    }
    expect(ids).toEqual(expect.arrayContaining(["wasm", "wasm-plain", "rapidsnark", "snarkjs"]));
  });

  it("tell our kernels apart by what the engine calls itself", () => {
    const engineOf = (id: string) => [planOf(id).engine, planOf(`${id}-1`).engine];
    expect(engineOf("wasm")).toEqual(Array(2).fill("wasm (fma, revectorized)"));
    expect(engineOf("wasm-plain")).toEqual(Array(2).fill("wasm (fma)"));
    expect(engineOf("wasm-fallback")).toEqual(Array(2).fill("wasm (extmul)"));
  });
});

describe.each(["wasm-1", "wasm-plain-1", "wasm-fallback-1", "snarkjs-1"])("contender %s", (id) => {
  it("makes proofs that snarkjs accepts, also when asked for several at once", async () => {
    await using(planOf(id).open(fixture, { core: 0 }), async (contender) => {
      const proofs = await Promise.all([contender.prove(), contender.prove()]);
      const before = verifier.count;
      for (const proved of proofs) {
        await verifier.check(fixture, proved);
        expect(proved.ms).toBeGreaterThan(0);
      }
      expect(verifier.count).toBe(before + 2);
      expect(contender.loaded.ms).toBeGreaterThan(0);
      if (process.platform === "linux") expect(contender.peakBytes()).toBeGreaterThan(10e6);
    });
  });

  it("reports a key that it cannot load, and ends", async () => {
    const broken = { ...fixture, zkeyPath: join(folder, "none.zkey") };
    await expect(planOf(id).open(broken, {})).rejects.toThrow(ContenderError);
  });
});

describe.each(["server", "command"] as const)("native prover as a %s", (protocol) => {
  it("makes proofs that snarkjs accepts, one after the other", async () => {
    await using(native(protocol), async (contender) => {
      for (const proved of await Promise.all([contender.prove(), contender.prove()])) {
        await verifier.check(fixture, proved);
      }
    });
  });

  it.each(["wrong proof", "other signals"])("is found out when it gives a %s", async (fault) => {
    await using(native(protocol, fault), async (contender) => {
      const proved = await contender.prove();
      await expect(verifier.check(fixture, proved)).rejects.toThrow(ContenderError);
    });
  });

  it("is reported when it refuses, or is not there", async () => {
    const proveOnce = (opened: Promise<Contender>) => using(opened, (c) => c.prove());
    await expect(proveOnce(native(protocol, "refuses"))).rejects.toThrow(ContenderError);
    const absent = { name: "fake", path: join(folder, "none"), protocol };
    await expect(proveOnce(openNative(absent, 1, fixture, {}))).rejects.toThrow(ContenderError);
  });
});

describe("Verifier", () => {
  it("does not count a valid proof of another statement than the witness's", async () => {
    const proved = await using(native("server"), (contender) => contender.prove());
    const wtns = await readFile(fixture.wtnsPath);
    // The values end the file: the constant 1, then this one.
    const firstPublic = wtns.length - ELEMENT_BYTES * (2 ** fixture.log2 - 1);
    wtns[firstPublic] = (wtns[firstPublic] as number) ^ 1;
    const other = { ...fixture, id: "other", wtnsPath: join(folder, "other.wtns") };
    await writeFile(other.wtnsPath, wtns);
    await verifier.check(fixture, proved);
    await expect(verifier.check(other, proved)).rejects.toThrow("other public signals");
  });
});

describe("native prover", () => {
  it("as a server tells its key load and its proofs apart, and knows its number of threads", async () => {
    await using(native("server", "", 7), async (contender) => {
      expect(contender.loaded.ms).toBe(7.5);
      expect((await contender.prove()).ms).toBe(12.25);
    });
  });

  it("as a command is timed as a whole", async () => {
    await using(native("command"), async (contender) => {
      // Starting node alone takes longer than the 12.25 ms that the server claims.
      expect((await contender.prove()).ms).toBeGreaterThan(13);
      expect(contender.loaded.ms).toBe(0);
    });
  });

  it.each([
    ["nonsense", 'said "hello", expected "ready MILLISECONDS"'],
    ["error line", 'said "error out of memory", expected milliseconds'],
    ["dies", "ended"],
  ])("as a server is reported when it %s", async (fault, message) => {
    await expect(using(native("server", fault), (c) => c.prove())).rejects.toThrow(message);
  });
});

describe("tryOpen", () => {
  const session = (): Session => ({
    options: {} as Options,
    plans: [],
    cores: 2,
    verifier,
    missing: new MissingList(),
    facts: new Map(),
    progress: () => {},
  });

  it("leaves out a prover that gives another engine than it was asked for", async () => {
    const current = session();
    const plan = { ...planOf("wasm-1"), open: planOf("wasm-fallback-1").open };
    expect(await tryOpen(current, plan, fixture, {})).toBeUndefined();
    expect(current.missing.lines).toEqual([
      "wasm-1: asked for the engine wasm (fma, revectorized), got wasm (extmul)",
    ]);
    expect(current.missing.isAbsent("wasm-1")).toBe(true);
    expect(current.facts.size).toBe(0);
  });

  it("does not wait for provers that are too slow for a size, and says nothing of it", async () => {
    const current = session();
    const plan = { ...planOf("snarkjs-1"), maxLog2: 4 };
    expect(await tryOpen(current, plan, fixture, {})).toBeUndefined();
    expect(current.missing.lines).toEqual([]);
  });

  it("notes why a prover is not there, without the folders of this machine, and once", async () => {
    const current = session();
    let tries = 0;
    const plan = {
      ...planOf("snarkjs-1"),
      open: async () => {
        tries++;
        throw new ContenderError(`spawn ${folder}/prover ENOENT`);
      },
    };
    await tryOpen(current, plan, fixture, {});
    await tryOpen(current, plan, fixture, {});
    expect(current.missing.lines).toEqual(["snarkjs-1: spawn prover ENOENT"]);
    expect(tries).toBe(1);
  });
});
