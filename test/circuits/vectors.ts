import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Address, Hex } from "viem";

/** A number in a vector file: decimal string, or a JSON integer where it is small. */
type Decimal = string;

export interface PoseidonVectors {
  readonly cases: readonly { readonly inputs: readonly Decimal[]; readonly hash: Decimal }[];
}

interface SignatureVector extends Record<"message" | "ax" | "ay" | "s" | "r8x" | "r8y", Decimal> {}

export interface EddsaVectors {
  readonly multiples: readonly { scalar: Decimal; x: Decimal; y: Decimal }[];
  readonly signatures: readonly SignatureVector[];
  readonly wallets: readonly (SignatureVector & { readonly signature: Hex })[];
}

interface AccountVector extends Record<"pkHash" | "balance" | "nonce", Decimal> {}

export interface DataCase {
  readonly name: string;
  readonly circuit: { readonly nTx: number; readonly levels: number; readonly nDeposits: number };
  readonly chainId: number;
  readonly rollup: Address;
  readonly sourceDomain: number;
  readonly blockNumber: number;
  readonly feeIndex: number;
  readonly l1Items: readonly {
    readonly kind: 1 | 2;
    readonly index: number;
    readonly amount: Decimal;
    readonly ax: Decimal;
    readonly ay: Decimal;
    readonly owner: Hex;
  }[];
  readonly transfers: readonly {
    readonly type: 0 | 1 | 2;
    readonly from: number;
    readonly to: number;
    readonly amount: Decimal;
    readonly fee: Decimal;
  }[];
  readonly expected: {
    readonly domain: Decimal;
    readonly circuitId: Hex;
    readonly d: readonly Decimal[];
    readonly h: Decimal;
    readonly digest: Hex;
    readonly z: Decimal;
    readonly y: Decimal;
    readonly txData: Hex;
    readonly transactionsHash: Hex;
    readonly exitDepth: number;
    readonly exits: readonly {
      readonly slot: number;
      readonly index: number;
      readonly owner: Address;
      readonly amountGwei: Decimal;
      readonly nonce: Decimal;
      readonly leaf: Hex;
      readonly proof: readonly Hex[];
    }[];
    readonly exitRoot: Hex;
  };
}

export interface DataVectors {
  readonly tags: Record<"zk" | "challenge" | "circuit" | "message", Hex>;
  readonly accounts: readonly (AccountVector & Record<"ax" | "ay" | "owner" | "leaf", Decimal>)[];
  readonly messages: readonly {
    readonly domain: Decimal;
    readonly type: 1 | 2;
    readonly from: number;
    readonly to: number;
    readonly amount: Decimal;
    readonly fee: Decimal;
    readonly validUntil: number;
    readonly recipient: Decimal;
    readonly nonce: Decimal;
    readonly message: Decimal;
  }[];
  readonly tree: {
    readonly levels: number;
    readonly accounts: Record<string, AccountVector>;
    readonly topNodes: readonly Decimal[];
    readonly root: Decimal;
    readonly siblingsOf6: readonly (readonly Decimal[])[];
    readonly emptyRoots: readonly Decimal[];
  };
  readonly cases: readonly DataCase[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../vectors", name), "utf8"));

export const poseidonVectors = (): PoseidonVectors => read("poseidon.json") as PoseidonVectors;
export const eddsaVectors = (): EddsaVectors => read("eddsa.json") as EddsaVectors;
export const dataVectors = (): DataVectors => read("data-encoding.json") as DataVectors;
