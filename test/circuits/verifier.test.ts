import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import fc from "fast-check";
import { network } from "hardhat";
import {
  type Abi,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  type TransactionReceipt,
} from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeDevKey } from "../../circuits/setup/dev.ts";
import { readKeyIdentity } from "../../circuits/setup/usable-key.ts";
import { verifierName, verifierSource } from "../../circuits/verifier.ts";
import { G1, G2 } from "../../worker/curve.ts";
import { BASE_FIELD, invert, mod, power, SCALAR_FIELD } from "../../worker/field.ts";
import { proofFromJson, proofToWords } from "../../worker/proof.ts";
import type { VerificationKey } from "../../worker/verification-key.ts";
import { compile, endSnarkjs, prove, type SmallCircuit } from "./small-circuit.ts";

/** A circuit with n public inputs and one private one. */
const withSignals = (n: number): string => `
  template Mix(n) {
    signal input signals[n];
    signal input secret;
    signal sums[n + 1];
    sums[0] <== secret * secret;
    for (var i = 0; i < n; i++) sums[i + 1] <== sums[i] * (signals[i] + i);
  }
  component main {public [signals]} = Mix(${n});`;

/** pA, pB (imaginary first), pC and the signals, as one list of words: that is also their ABI form. */
type Words = readonly bigint[];

interface Deployed {
  readonly circuit: SmallCircuit;
  readonly key: VerificationKey;
  readonly words: Words;
  readonly verify: (words: Words, gas?: bigint) => Promise<boolean>;
  /** Gas that a transaction with this call uses. */
  readonly gasUsed: (words: Words) => Promise<bigint>;
}

const { viem } = await network.connect();
const client = await viem.getPublicClient();
const wallet = (await viem.getWalletClients())[0] ?? noAccount();

function noAccount(): never {
  throw new Error("the local chain has no account");
}

/** Compiles as the project does (hardhat.config.ts); a warning counts as an error. */
function compileSolidity(name: string, source: string): { abi: Abi; bytecode: Hex } {
  const solc = createRequire(import.meta.url)("solc");
  const input = {
    language: "Solidity",
    sources: { "verifier.sol": { content: source } },
    settings: {
      optimizer: { enabled: true, runs: 10_000 },
      evmVersion: "osaka",
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  expect(output.errors).toBeUndefined();
  const contract = output.contracts["verifier.sol"][name];
  return { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` };
}

async function deploy(signalCount: number, mutate = (source: string) => source): Promise<Deployed> {
  const circuit = await compile(withSignals(signalCount));
  const zkeyPath = join(circuit.folder, "circuit.zkey");
  await writeDevKey({ r1csPath: circuit.r1csPath, zkeyPath, seed: "verifier" });
  const { verificationKey: key } = await readKeyIdentity(zkeyPath);
  const source = mutate(verifierSource(key, { name: "MixVerifier", isDevKey: true }));
  const { abi, bytecode } = compileSolidity("MixVerifier", source);
  const deployment = await send({ data: bytecode });
  const to = deployment.contractAddress;
  const calldata = (w: Words): Hex => {
    const args = [w.slice(0, 2), [w.slice(2, 4), w.slice(4, 6)], w.slice(6, 8), w.slice(8)];
    return encodeFunctionData({ abi, functionName: "verifyProof", args });
  };
  const verify = async (words: Words, gas?: bigint): Promise<boolean> => {
    const { data } = await client.call({ to, data: calldata(words), ...(gas ? { gas } : {}) });
    return decodeFunctionResult({
      abi,
      functionName: "verifyProof",
      data: data ?? "0x",
    }) as boolean;
  };
  const gasUsed = async (words: Words): Promise<bigint> =>
    (await send({ to, data: calldata(words) })).gasUsed;

  const signals = Array.from({ length: signalCount }, (_, i) => BigInt(i * i + 2) ** 40n);
  const made = await prove(circuit, zkeyPath, { secret: 11n, signals });
  const { pA, pB, pC } = proofToWords(proofFromJson(made.proof));
  const words = [...pA, ...pB.flat(), ...pC, ...made.publicSignals.map(BigInt)];
  return { circuit, key, words, verify, gasUsed };
}

async function send(call: { to?: Hex | null | undefined; data: Hex }): Promise<TransactionReceipt> {
  const hash = await wallet.sendTransaction({ data: call.data, to: call.to ?? null });
  return client.waitForTransactionReceipt({ hash });
}

/** q for coordinates, r for signals: an alias of a word is the word plus its modulus. */
const modulusOf = (index: number): bigint => (index < 8 ? BASE_FIELD : SCALAR_FIELD);
const nameOf = (index: number): string =>
  ["pA.x", "pA.y", "pB.x.im", "pB.x.re", "pB.y.im", "pB.y.re", "pC.x", "pC.y"][index] ??
  `signal ${index - 8}`;

let five: Deployed;
let one: Deployed;
beforeAll(async () => {
  five = await deploy(5);
  one = await deploy(1);
});
afterAll(async () => {
  await rm(five.circuit.folder, { recursive: true });
  await rm(one.circuit.folder, { recursive: true });
  await endSnarkjs();
});

/** Refused means: the call succeeds and its answer is false. */
async function expectRefused(words: Words, what: string): Promise<void> {
  expect(await five.verify(words), what).toBe(false);
}

const replaced = (index: number, ...values: bigint[]): Words =>
  five.words.map((word, i) => values[i - index] ?? word);

describe("circuits / verifier", () => {
  it("accepts proofs that snarkjs made, for one signal and for five", async () => {
    expect(await five.verify(five.words)).toBe(true);
    expect(await one.verify(one.words)).toBe(true);
  });

  it("costs at most 220,000 gas of execution for five signals", async () => {
    const total = await five.gasUsed(five.words);
    const bytes = Buffer.from(
      five.words.map((w) => w.toString(16).padStart(64, "0")).join(""),
      "hex",
    );
    const calldata = [...bytes, 1, 1, 1, 1].reduce(
      (sum, byte) => sum + (byte === 0 ? 4n : 16n),
      0n,
    );
    const execution = total - 21_000n - calldata;
    console.log(`verifyProof, 5 signals: ${execution} gas of execution`);
    expect(execution).toBeLessThan(220_000n);
  });

  it("refuses every word of proof and signals with one bit flipped", async () => {
    const seed = 20_261_122;
    const random = fc.sample(fc.integer({ min: 1, max: 252 }), { seed, numRuns: 13 });
    for (const index of five.words.keys()) {
      const bits = process.env.HEAVY ? [...Array(256).keys()] : [0, random[index] ?? 1, 253, 255];
      for (const bit of bits) {
        const flipped = (five.words[index] as bigint) ^ (1n << BigInt(bit));
        await expectRefused(replaced(index, flipped), `${nameOf(index)} bit ${bit}, seed ${seed}`);
      }
    }
  });

  it("refuses aliases: coordinates plus multiples of q, signals plus multiples of r", async () => {
    for (const [index, value] of five.words.entries()) {
      for (let alias = value + modulusOf(index); alias < 2n ** 256n; alias += modulusOf(index)) {
        await expectRefused(replaced(index, alias), `${nameOf(index)} as ${alias}`);
      }
    }
  });

  it("refuses each word as 0, as its modulus, and as 2^256 - 1", async () => {
    for (const index of five.words.keys()) {
      for (const value of [0n, modulusOf(index), 2n ** 256n - 1n]) {
        await expectRefused(replaced(index, value), `${nameOf(index)} as ${value}`);
      }
    }
  });

  it("refuses points at infinity, alone and together", async () => {
    await expectRefused(replaced(0, 0n, 0n), "A");
    await expectRefused(replaced(2, 0n, 0n, 0n, 0n), "B");
    await expectRefused(replaced(6, 0n, 0n), "C");
    await expectRefused(replaced(0, ...Array<bigint>(8).fill(0n)), "A, B and C");
  });

  it("refuses points that are on no curve or outside the subgroup of G2", async () => {
    await expectRefused(replaced(0, 1n, 1n), "A = (1, 1)");
    await expectRefused(replaced(6, 1n, 1n), "C = (1, 1)");
    await expectRefused(replaced(2, 1n, 1n, 1n, 1n), "B = (1 + i, 1 + i)");
    const outside = pointOutsideSubgroup();
    await expectRefused(replaced(2, outside.x[1], outside.x[0], outside.y[1], outside.y[0]), "B");
  });

  it("refuses the proof's points negated, swapped, or with real and imaginary parts swapped", async () => {
    const [ax, ay, xi, xr, yi, yr, cx, cy] = five.words as [
      ...[bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint],
    ];
    await expectRefused(replaced(1, BASE_FIELD - ay), "-A");
    await expectRefused(replaced(4, BASE_FIELD - yi, BASE_FIELD - yr), "-B");
    await expectRefused(replaced(7, BASE_FIELD - cy), "-C");
    await expectRefused(replaced(0, cx, cy, xi, xr, yi, yr, ax, ay), "A and C swapped");
    await expectRefused(replaced(2, xr, xi, yr, yi), "parts of B swapped");
    const negatedTwice = replaced(1, BASE_FIELD - ay, xi, xr, BASE_FIELD - yi, BASE_FIELD - yr);
    expect(await five.verify(negatedTwice), "(-A, -B) is the same proof").toBe(true);
  });

  it("refuses signals in another order, and a signal of another proof", async () => {
    const signals = five.words.slice(8);
    await expectRefused(replaced(8, ...signals.toReversed()), "reversed");
    await expectRefused(replaced(8, (one.words[8] as bigint) + 1n), "another first signal");
  });

  it("answers false when a precompile runs out of gas", async () => {
    expect(await five.verify(five.words, 150_000n)).toBe(false);
  });

  it("answers false on a chain without the precompiles, where every call succeeds empty", async () => {
    const elsewhere = (source: string): string => source.replace(/PAIRING = 8;/, "PAIRING = 4660;");
    const blind = await deploy(1, elsewhere);
    expect(await blind.verify(blind.words.with(0, 1n))).toBe(false);
    await rm(blind.circuit.folder, { recursive: true });
  });

  it("is made only of keys that are sound", () => {
    const options = { name: "AnyVerifier", isDevKey: false };
    const noContribution = { ...five.key, delta2: five.key.gamma2 };
    expect(() => verifierSource(noContribution, options)).toThrow(
      expect.objectContaining({ code: "KEY_REFUSED" }),
    );
    const offCurve = { ...five.key, alpha1: { x: 1n, y: 1n } };
    expect(() => verifierSource(offCurve, options)).toThrow(
      expect.objectContaining({ code: "KEY_MALFORMED" }),
    );
    expect(() => verifierSource({ ...five.key, ic: [G1.generator] }, options)).toThrow(/no public/);
  });

  it("says in its documentation when its key is for development", () => {
    const text = (isDevKey: boolean): string => verifierSource(five.key, { name: "V", isDevKey });
    expect(text(true)).toContain("@notice DEVELOPMENT KEY");
    expect(text(false)).not.toContain("DEVELOPMENT");
  });

  it("accepts only names that are one word of Solidity", () => {
    for (const name of ["", "verifier", "A B", "V{}", "V\n", "1V"]) {
      expect(() => verifierSource(five.key, { name, isDevKey: false }), name).toThrow(
        /contract name/,
      );
    }
    expect(verifierName("batch-tiny")).toBe("BatchTinyVerifier");
    expect(verifierName("batch-4")).toBe("Batch4Verifier");
  });
});

/** A point of the curve over Fq2 whose order does not divide r: found by trying small x. */
function pointOutsideSubgroup(): { x: readonly [bigint, bigint]; y: readonly [bigint, bigint] } {
  const { field } = G2;
  const b = field.multiply([3n, 0n], field.invert([9n, 1n]));
  for (let real = 1n; ; real++) {
    const x = [real, 0n] as const;
    const y = squareRoot(field.add(field.multiply(field.multiply(x, x), x), b));
    if (y !== undefined && !G2.isInSubgroup({ x, y })) {
      expect(G2.isOnCurve({ x, y })).toBe(true);
      return { x, y };
    }
  }
}

/** A square root in Fq2 by the complex method (q = 3 mod 4); undefined for a non-square. */
function squareRoot([real, imaginary]: readonly [bigint, bigint]): [bigint, bigint] | undefined {
  const root = (value: bigint): bigint | undefined => {
    const reduced = mod(value, BASE_FIELD);
    const candidate = power(reduced, (BASE_FIELD + 1n) / 4n, BASE_FIELD);
    return (candidate * candidate) % BASE_FIELD === reduced ? candidate : undefined;
  };
  const norm = root(real * real + imaginary * imaginary);
  if (norm === undefined) return undefined;
  const half = invert(2n, BASE_FIELD);
  const u = root((real + norm) * half) ?? root((real - norm) * half);
  if (u === undefined || u === 0n) return undefined;
  return [u, mod(imaginary * invert(2n * u, BASE_FIELD), BASE_FIELD)];
}
