// What the logs tell about claims, games and the inbox.

import {
  type Address,
  encodeAbiParameters,
  type Hex,
  keccak256,
  type Log,
  parseAbiParameters,
  parseEventLogs,
} from "viem";
import { decodeRecords } from "../ledger/batch.ts";
import { Inbox } from "../ledger/inbox.ts";
import { INBOX_ABI } from "../ledger/ledger-abi.ts";
import { OPTIMISTIC_ABI } from "./optimistic-abi.ts";

/** What is claimed, whoever claims it. */
export interface Claim {
  readonly root: Hex;
  readonly batchEnd: number;
}

/** One proposer's stake on a claim. */
export interface Entry {
  readonly id: bigint;
  readonly key: Hex;
  readonly parentKey: Hex;
  readonly claim: Claim;
  readonly proposer: Address;
}

export interface Game {
  readonly id: bigint;
  readonly entry: Entry;
  readonly challenger: Address;
  readonly instructions: number;
}

const CLAIM = parseAbiParameters("uint64, bytes32");

/** The contract's name of a claim. */
export const claimKey = ({ batchEnd, root }: Claim): Hex =>
  keccak256(encodeAbiParameters(CLAIM, [BigInt(batchEnd), root]));

export class Board {
  readonly inbox = new Inbox();
  readonly claims = new Map<Hex, Claim>();
  /** Not decided. */
  readonly pending = new Map<bigint, Entry>();
  /** Not over; their entries may be decided. */
  readonly openGames = new Map<bigint, Game>();
  /** Where the finalized chain ends. */
  finalKey: Hex | undefined;
  /** Number of the last game that was begun. */
  lastGameId = 0n;
  readonly #entries = new Map<bigint, Entry>();

  /** Takes the next logs, in the chain's order. */
  apply(logs: readonly Log[]): void {
    const both = [...OPTIMISTIC_ABI, ...INBOX_ABI] as const;
    for (const { eventName, args } of parseEventLogs({
      abi: both,
      logs: [...logs],
      strict: true,
    })) {
      switch (eventName) {
        case "EntryQueued":
          this.inbox.addEntry({ opcode: args.opcode, item: args.item });
          break;
        case "BatchForced":
          this.inbox.addBatch(Number(args.queueTo), []);
          break;
        case "BatchCommitted":
          this.inbox.addBatch(Number(args.queueTo), decodeRecords(args.batchData));
          break;
        case "StateRootProposed":
          this.#addEntry(args);
          break;
        case "StateRootFinalized":
          this.#makeFinal(args.id, args.root);
          break;
        case "StateRootRejected":
        case "StateRootOrphaned":
          this.pending.delete(args.id);
          break;
        case "ChallengeInitiated":
          this.#addGame(args);
          break;
        case "ChallengeResolved":
        case "ChallengeRefunded":
          this.openGames.delete(args.challengeId);
          break;
        default: // moves are read from storage, together with the clocks
      }
    }
  }

  get finalClaim(): Claim {
    const claim = this.finalKey === undefined ? undefined : this.claims.get(this.finalKey);
    if (claim === undefined) throw new Error("the genesis is not among the logs");
    return claim;
  }

  #addEntry(args: {
    readonly id: bigint;
    readonly parentKey: Hex;
    readonly root: Hex;
    readonly batchEnd: bigint;
    readonly proposer: Address;
  }): void {
    const { id, parentKey, root, proposer } = args;
    const claim = { root, batchEnd: Number(args.batchEnd) };
    const entry = { id, key: claimKey(claim), parentKey, claim, proposer };
    this.claims.set(entry.key, claim);
    this.#entries.set(id, entry);
    this.pending.set(id, entry);
  }

  #makeFinal(id: bigint, root: Hex): void {
    // Entry 0 is the genesis, which nobody staked on.
    const claim = this.#entries.get(id)?.claim ?? { root, batchEnd: 0 };
    this.finalKey = claimKey(claim);
    this.claims.set(this.finalKey, claim);
    this.pending.delete(id);
  }

  #addGame(args: {
    readonly challengeId: bigint;
    readonly id: bigint;
    readonly challenger: Address;
    readonly instructions: bigint;
  }): void {
    const entry = this.#entries.get(args.id);
    if (entry === undefined) throw new Error(`game ${args.challengeId}: entry ${args.id} unknown`);
    this.lastGameId = args.challengeId;
    this.openGames.set(args.challengeId, {
      id: args.challengeId,
      entry,
      challenger: args.challenger,
      instructions: Number(args.instructions),
    });
  }
}
