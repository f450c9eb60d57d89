import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { bytesToHex, type Hex, hexToBytes, keccak256 } from "viem";
import { describe, expect, it } from "vitest";
import {
  type BatchData,
  bindData,
  challenge,
  circuitIdHash,
  commitData,
  dataDigest,
  dataElements,
  decodeTxData,
  encodeTxData,
  evaluate,
  rollupDomain,
  transactionsHash,
} from "../../circuits/data.ts";
import type { CircuitParameters } from "../../circuits/parameters.ts";
import { CHALLENGE_TAG, CIRCUIT_TAG, MESSAGE_TAG, ZK_TAG } from "../../circuits/tags.ts";
import { walletMessage } from "../../circuits/wallet.ts";
import { SCALAR_FIELD } from "../../worker/field.ts";
import { type DataCase, dataVectors } from "./vectors.ts";

const { cases, tags } = dataVectors();

const parametersOf = ({ name, circuit }: DataCase): CircuitParameters => ({
  id: name,
  ...circuit,
  top: 1,
});

const dataOf = (vector: DataCase): BatchData => ({
  domain: BigInt(vector.expected.domain),
  blockNumber: vector.blockNumber,
  feeIndex: vector.feeIndex,
  l1Items: vector.l1Items.map(({ kind, index, amount, ax, ay, owner }) => ({
    kind,
    index,
    amount: BigInt(amount),
    key: { ax: BigInt(ax), ay: BigInt(ay), owner: BigInt(owner) },
  })),
  transfers: vector.transfers.map((transfer) => ({
    ...transfer,
    amount: BigInt(transfer.amount),
    fee: BigInt(transfer.fee),
  })),
});

const kindsOf = (vector: DataCase) => vector.l1Items.map(({ kind }) => kind);

const tiny: CircuitParameters = { id: "tiny", nTx: 2, levels: 2, nDeposits: 1, top: 1 };
const sample = dataOf(cases[2] as DataCase);

describe("circuits / data, against vectors of another implementation", () => {
  it("knows the four tags", () => {
    expect({
      zk: ZK_TAG,
      challenge: CHALLENGE_TAG,
      circuit: CIRCUIT_TAG,
      message: MESSAGE_TAG,
    }).toEqual(tags);
  });

  for (const vector of cases) {
    it(`encodes ${vector.name}: (${Object.values(vector.circuit).join(", ")})`, () => {
      const [parameters, data] = [parametersOf(vector), dataOf(vector)];
      const { expected } = vector;
      expect(rollupDomain(vector.chainId, vector.rollup)).toBe(BigInt(expected.domain));
      expect(circuitIdHash(parameters)).toBe(expected.circuitId);
      const d = dataElements(parameters, data);
      expect(d).toEqual(expected.d.map(BigInt));
      expect(bindData(parameters, d)).toEqual({
        h: BigInt(expected.h),
        digest: expected.digest,
        z: BigInt(expected.z),
        y: BigInt(expected.y),
      });
      const txData = encodeTxData(parameters, data);
      expect(bytesToHex(txData)).toBe(expected.txData);
      expect(transactionsHash(txData)).toBe(expected.transactionsHash);
    });

    it(`decodes ${vector.name}`, () => {
      const [parameters, data] = [parametersOf(vector), dataOf(vector)];
      const bytes = hexToBytes(vector.expected.txData);
      const decoded = decodeTxData(parameters, bytes, kindsOf(vector));
      expect(decoded.feeIndex).toBe(data.feeIndex);
      expect(decoded.l1Count).toBe(data.l1Items.length);
      const exits = data.l1Items.filter(({ kind }) => kind === 2);
      expect(decoded.exitAmounts).toEqual(exits.map(({ amount }) => amount));
      expect(decoded.records.slice(0, data.transfers.length)).toEqual(data.transfers);
      expect(decoded.records.length).toBe(parameters.nTx);
    });
  }
});

describe("docs / data-encoding", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/data-encoding.md"), "utf8");

  it("shows the numbers of the vector that it works through", () => {
    const { expected, rollup } = cases[2] as DataCase;
    const { d, h, digest, z, y, circuitId, transactionsHash: hash, exits, exitRoot } = expected;
    const shown = [...d, h, digest, z, y, circuitId, hash, exitRoot, rollup];
    const leaves = exits.flatMap(({ leaf, nonce }) => [leaf, nonce]);
    for (const value of [...shown, ...leaves]) expect(text).toContain(value);
    const bytes = text.replace(/[^0-9a-f]*(feeIndex|transfer|exit).*$/gm, "").replace(/\s/g, "");
    expect(bytes).toContain(`txData${expected.txData.slice(2)}hash`);
  });

  it("shows the tags, the empty roots and a signed message", () => {
    const { tree, messages } = dataVectors();
    const { domain, recipient, message } = messages[2] as (typeof messages)[number];
    const roots = [tree.emptyRoots[0], tree.emptyRoots[8]] as string[];
    for (const value of [...Object.values(tags), ...roots, domain, recipient, message]) {
      expect(text).toContain(value);
    }
  });

  it("shows the text that a wallet signs", () => {
    const rollup = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
    expect(text).toContain(walletMessage({ chainId: 31337, rollup }));
  });
});

describe("circuits / data", () => {
  it("evaluates d with the first element as the constant term, not reversed", () => {
    expect(evaluate([3n, 5n, 7n], 10n)).toBe(753n);
    expect(evaluate([], 10n)).toBe(0n);
    expect(evaluate([0n, 1n], SCALAR_FIELD - 1n)).toBe(SCALAR_FIELD - 1n);
  });

  it("moves z with every element of d, with h and with the circuit's sizes", () => {
    const d = dataElements(tiny, sample);
    const h = commitData(tiny, d);
    const z = challenge(tiny, dataDigest(d), h);
    const others = d.map((_, i) => {
      const changed = d.with(i, (d[i] as bigint) + 1n);
      return challenge(tiny, dataDigest(changed), h);
    });
    others.push(challenge(tiny, dataDigest(d), h + 1n));
    for (const size of ["nTx", "levels", "nDeposits"] as const) {
      others.push(challenge({ ...tiny, [size]: tiny[size] + 1 }, dataDigest(d), h));
    }
    expect(new Set([z, ...others]).size).toBe(others.length + 1);
  });

  it("moves h with every element of d, with its length inside a chunk's padding, and with the sizes", () => {
    const d = dataElements(tiny, sample);
    const commitments = [
      commitData(tiny, d),
      ...d.map((element, i) => commitData(tiny, d.with(i, element + 1n))),
      commitData({ ...tiny, nTx: 3 }, d),
      commitData({ ...tiny, levels: 3 }, d),
      commitData({ ...tiny, nDeposits: 2 }, d),
    ];
    expect(new Set(commitments).size).toBe(commitments.length);
  });

  it("ties the domain to chain and contract", () => {
    const rollup = `0x${"ab".repeat(20)}` as const;
    expect(rollupDomain(1, rollup)).toBe(
      rollupDomain(1n, rollup.toUpperCase().replace("0X", "0x") as Hex),
    );
    expect(rollupDomain(2, rollup)).not.toBe(rollupDomain(1, rollup));
    expect(rollupDomain(1, `0x${"ac".repeat(20)}`)).not.toBe(rollupDomain(1, rollup));
    expect(rollupDomain(1, rollup)).toBeLessThan(1n << 248n);
  });

  it("hashes the published bytes with keccak256", () => {
    const txData = encodeTxData(tiny, sample);
    expect(transactionsHash(txData)).toBe(keccak256(bytesToHex(txData)));
  });

  it("refuses more items or transfers than slots", () => {
    const item = sample.l1Items[0] as (typeof sample.l1Items)[0];
    const transfer = sample.transfers[0] as (typeof sample.transfers)[0];
    const crowded = [
      { ...sample, l1Items: [item, item] },
      { ...sample, transfers: [transfer, transfer, transfer] },
    ];
    for (const data of crowded) {
      expect(() => dataElements(tiny, data)).toThrow("circuit tiny has 1 and 2 slots");
      expect(() => encodeTxData(tiny, data)).toThrow("circuit tiny has 1 and 2 slots");
    }
  });

  it("refuses to encode a header field that does not fit", () => {
    const item = sample.l1Items[0] as (typeof sample.l1Items)[0];
    const wide = [
      { ...sample, feeIndex: 2 ** 32 },
      { ...sample, feeIndex: -1 },
      { ...sample, feeIndex: 0.5 },
      { ...sample, l1Items: [{ ...item, amount: 2n ** 64n }] },
      { ...sample, l1Items: [{ ...item, amount: -1n }] },
    ];
    for (const data of wide) expect(() => encodeTxData(tiny, data)).toThrow(RangeError);
  });

  it("refuses bytes of any other length, and more items than slots or queue", () => {
    const bytes = encodeTxData(tiny, sample);
    expect(() => decodeTxData(tiny, bytes.subarray(0, 4), [2])).toThrow(
      "got 4 bytes, expected at least 5",
    );
    expect(() => decodeTxData(tiny, bytes.subarray(1), [2])).toThrow(RangeError);
    expect(() => decodeTxData(tiny, bytes.subarray(0, -1), [2])).toThrow(
      "got 54 bytes, expected 55",
    );
    expect(() => decodeTxData(tiny, Uint8Array.from([...bytes, 0]), [2])).toThrow("got 56 bytes");
    // The same bytes under a deposit have eight too many.
    expect(() => decodeTxData(tiny, bytes, [1])).toThrow("got 55 bytes, expected 47");
    expect(() => decodeTxData(tiny, bytes, [])).toThrow(
      "got l1Count 1, expected at most 1 (slots) and 0",
    );
    expect(() => decodeTxData(tiny, bytes.with(4, 2), [2, 2])).toThrow(
      "got l1Count 2, expected at most 1",
    );
  });

  it("decodes only what it encodes: any bytes that decode encode to themselves", () => {
    const bytes = encodeTxData(tiny, sample);
    let decodedCount = 0;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = bytes.with(at, byte);
        let decoded: ReturnType<typeof decodeTxData>;
        try {
          decoded = decodeTxData(tiny, changed, [2]);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        decodedCount++;
        const item = {
          ...sample.l1Items[0],
          amount: decoded.exitAmounts[0],
        } as (typeof sample.l1Items)[0];
        const { feeIndex, records } = decoded;
        expect(encodeTxData(tiny, { feeIndex, l1Items: [item], transfers: records })).toEqual(
          changed,
        );
      }),
      { numRuns: 300 },
    );
    expect(decodedCount).toBeGreaterThan(100);
  });
});
