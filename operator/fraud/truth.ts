// What the inbox's batches really lead to.

import { concatHex, type Hex, keccak256, numberToHex } from "viem";
import type { Inbox } from "../ledger/inbox.ts";
import type { LedgerDomain } from "../ledger/signature.ts";
import { genesisState, type LedgerState, stateRoot } from "../ledger/state.ts";
import { Trace } from "../ledger/trace.ts";
import type { Claim } from "./board.ts";

interface KnownBatch {
  /** Hash of its instructions: another batch in its place is noticed by it. */
  readonly content: Hex;
  readonly after: LedgerState;
  readonly root: Hex;
}

/** Traces of the newest batches and of games that are being played; the oldest is dropped. */
const TRACES_MAX = 8;

export class Truth {
  readonly #domain: LedgerDomain;
  readonly #genesis = genesisState();
  readonly #batches: KnownBatch[] = [];
  readonly #traces = new Map<string, Promise<Trace>>();
  #inbox: Inbox | undefined;

  constructor(domain: LedgerDomain) {
    this.#domain = domain;
  }

  /** Executes what is new. An inbox that a reorganisation changed is followed from where it differs. */
  async follow(inbox: Inbox): Promise<void> {
    if (inbox !== this.#inbox) this.#forgetWhatDiffers(inbox);
    this.#inbox = inbox;
    for (let number = this.#batches.length + 1; number <= inbox.batchCount; number++) {
      const executing = this.#execute(inbox, number - 1, number);
      const trace = await executing;
      this.#remember(`${number - 1}-${number}`, executing);
      const after = trace.state(trace.length);
      this.#batches.push({ content: contentOf(inbox, number), after, root: stateRoot(after) });
    }
  }

  get batchCount(): number {
    return this.#batches.length;
  }

  /** Root after the batches 1 to `number`. */
  rootAfter(number: number): Hex {
    if (number === 0) return stateRoot(this.#genesis);
    return this.#batch(number).root;
  }

  /** The true claim about the batches up to `batchEnd`. */
  claimAt(batchEnd: number): Claim {
    return { batchEnd, root: this.rootAfter(batchEnd) };
  }

  /** Whether a claim is true; false also for one about batches that are not there. */
  isTrue({ root, batchEnd }: Claim): boolean {
    return batchEnd <= this.batchCount && BigInt(this.rootAfter(batchEnd)) === BigInt(root);
  }

  /** The states along the batches behind `from` up to and with `to`. */
  async trace(from: number, to: number): Promise<Trace> {
    const name = `${from}-${to}`;
    let trace = this.#traces.get(name);
    if (trace === undefined) {
      trace = this.#execute(this.#inbox as Inbox, from, to);
      this.#remember(name, trace);
    }
    return trace;
  }

  #remember(name: string, trace: Promise<Trace>): void {
    this.#traces.set(name, trace);
    const [oldest] = this.#traces.keys();
    if (this.#traces.size > TRACES_MAX && oldest !== undefined) this.#traces.delete(oldest);
  }

  #execute(inbox: Inbox, from: number, to: number): Promise<Trace> {
    const start = from === 0 ? this.#genesis : this.#batch(from).after;
    return Trace.of(this.#domain, start, inbox.instructions(from, to));
  }

  #forgetWhatDiffers(inbox: Inbox): void {
    this.#traces.clear();
    const same = this.#batches.findIndex(
      ({ content }, i) => i >= inbox.batchCount || contentOf(inbox, i + 1) !== content,
    );
    if (same >= 0) this.#batches.length = same;
  }

  #batch(number: number): KnownBatch {
    const batch = this.#batches[number - 1];
    if (batch === undefined) {
      throw new RangeError(`batch: got ${number}, expected 0 to ${this.batchCount}`);
    }
    return batch;
  }
}

function contentOf(inbox: Inbox, number: number): Hex {
  const parts = [...inbox.instructions(number - 1, number)].map(({ opcode, inputs }) =>
    keccak256(concatHex([numberToHex(opcode, { size: 1 }), inputs])),
  );
  return keccak256(concatHex(parts));
}
