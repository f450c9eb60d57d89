// What two parties sign, and its digest: EIP-712, with everything that does not change hashed once for a channel.

import {
  type Address,
  concat,
  encodeAbiParameters,
  getContractAddress,
  type Hex,
  hashDomain,
  hexToBytes,
  keccak256,
  numberToHex,
  stringToHex,
} from "viem";

/** How the money is split; wei. `IPaymentChannel.ChannelState`, of which a close is a variant under another type. */
export interface ChannelState {
  /** Deposits that both knew of when they signed. */
  readonly aliceDeposited: bigint;
  readonly bobDeposited: bigint;
  readonly aliceBalance: bigint;
  readonly bobBalance: bigint;
  /** From 1; 0 is the deposits themselves, which nobody signs. */
  readonly nonce: bigint;
}

/** What a channel's address commits to. */
export interface ChannelTerms {
  readonly alice: Address;
  readonly bob: Address;
  readonly aliceSigner: Address;
  readonly bobSigner: Address;
  /** Seconds to answer a dispute. */
  readonly challengePeriod: number;
}

/** Where a channel is: enough to sign for it. */
export interface ChannelPlace {
  readonly chainId: number;
  readonly channel: Address;
}

export type AgreementKind = "state" | "close";

const CHANNEL_TAG = keccak256(stringToHex("proofmill.channel.v1"));
const FIELDS = "bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,";
const TYPE_HASHES = {
  state: keccak256(
    stringToHex(`ChannelState(${FIELDS}uint256 aliceBalance,uint256 bobBalance,uint64 nonce)`),
  ),
  close: keccak256(
    stringToHex(`CooperativeClose(${FIELDS}uint256 aliceFinal,uint256 bobFinal,uint64 nonce)`),
  ),
} as const;

/** `PaymentChannel.channelId()`. */
export function channelId({ chainId, channel }: ChannelPlace): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: "bytes32" }, { type: "uint256" }, { type: "address" }],
      [CHANNEL_TAG, BigInt(chainId), channel],
    ),
  );
}

/** `ChannelFactory.channelAddress`, computed without a chain. */
export function channelAddress(
  factory: { readonly address: Address; readonly implementation: Address },
  terms: ChannelTerms,
  salt: Hex,
): Address {
  const { alice, bob, aliceSigner, bobSigner, challengePeriod } = terms;
  const args = concat([
    alice,
    bob,
    aliceSigner,
    bobSigner,
    numberToHex(challengePeriod, { size: 4 }),
  ]);
  // A minimal proxy (ERC-1167) with the terms behind its 45 bytes, and what puts both on the chain.
  const proxy = concat([
    "0x363d3d373d3d3d363d73",
    factory.implementation,
    "0x5af43d82803e903d91602b57fd5bf3",
  ]);
  const creation = concat([
    "0x61",
    numberToHex(45 + 84, { size: 2 }),
    "0x3d81600a3d39f3",
    proxy,
    args,
  ]);
  return getContractAddress({ opcode: "CREATE2", from: factory.address, salt, bytecode: creation });
}

/** Digests of one channel's agreements. */
export class AgreementHasher {
  /** 0x19 0x01, domain separator, room for the struct's hash. */
  readonly #message = new Uint8Array(66);
  /** Type hash, channel id and five words. */
  readonly #struct = new Uint8Array(7 * 32);
  readonly #types = { state: hexToBytes(TYPE_HASHES.state), close: hexToBytes(TYPE_HASHES.close) };

  constructor(place: ChannelPlace) {
    const domain = hashDomain({
      domain: {
        name: "PaymentChannel",
        version: "1",
        chainId: BigInt(place.chainId),
        verifyingContract: place.channel,
      },
      types: {
        EIP712Domain: [
          { name: "name", type: "string" },
          { name: "version", type: "string" },
          { name: "chainId", type: "uint256" },
          { name: "verifyingContract", type: "address" },
        ],
      },
    });
    this.#message.set([0x19, 0x01]);
    this.#message.set(hexToBytes(domain), 2);
    this.#struct.set(hexToBytes(channelId(place)), 32);
  }

  /** What the keys sign. @throws RangeError for what does not fit its field. */
  digest(kind: AgreementKind, state: ChannelState): Uint8Array {
    if (state.nonce < 0n || state.nonce >= 1n << 64n) throw new RangeError("nonce beyond 64 bits");
    this.#struct.set(this.#types[kind]);
    const words = [
      state.aliceDeposited,
      state.bobDeposited,
      state.aliceBalance,
      state.bobBalance,
      state.nonce,
    ];
    const view = new DataView(this.#struct.buffer);
    words.forEach((word, i) => {
      if (word < 0n || word >= 1n << 128n) throw new RangeError("amount beyond 128 bits");
      const at = (2 + i) * 32;
      view.setBigUint64(at + 16, word >> 64n);
      view.setBigUint64(at + 24, word & 0xffff_ffff_ffff_ffffn);
    });
    this.#message.set(keccak256(this.#struct, "bytes"), 34);
    return keccak256(this.#message, "bytes");
  }
}
