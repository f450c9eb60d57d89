import { type Hex, keccak256, stringToHex } from "viem";

// Every hash that leaves the field starts with a tag of its own, so that no value of one kind is one of another kind.
const tag = (name: string): Hex => keccak256(stringToHex(name));

/** Domain of a rollup's signatures and data. */
export const ZK_TAG = tag("proofmill.zk.v1");
/** The point z at which the published data is evaluated. */
export const CHALLENGE_TAG = tag("proofmill.challenge.v1");
/** What a circuit is built for. */
export const CIRCUIT_TAG = tag("proofmill.circuit.v1");
/** Messages to L1 and between rollups; exit leaves are such messages. */
export const MESSAGE_TAG = tag("proofmill.message.v1");
/** A wallet's seed, from an Ethereum signature. */
export const WALLET_TAG = tag("proofmill.wallet.v1");
/** A wallet's secret scalar, from its seed. */
export const KEY_TAG = tag("proofmill.key.v1");
/** A signature's secret nonce, from seed and message. */
export const NONCE_TAG = tag("proofmill.nonce.v1");
