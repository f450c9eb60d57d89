// What the two sides say to each other, as JSON. A message is untrusted whoever sent it.

import type { Hex } from "viem";
import type { AgreementKind, ChannelState } from "./agreement.ts";
import type { Payment } from "./party-store.ts";
import {
  decimal,
  malformed,
  objectOf,
  type SignedState,
  signatureOf,
  signedFromJson,
  signedToJson,
  stateFromJson,
  stateToJson,
} from "./signed-state.ts";

export type Message =
  /** First on every connection: brings a side up to date that missed an answer. */
  | { readonly type: "hello"; readonly turn: number; readonly agreed: SignedState | null }
  | {
      readonly type: "offer";
      readonly kind: AgreementKind;
      readonly state: ChannelState;
      readonly signature: Hex;
      readonly payments: readonly Payment[];
    }
  | {
      readonly type: "accept";
      readonly nonce: bigint;
      readonly signature: Hex;
      /** The side that answers has something to offer itself. */
      readonly wants: boolean;
    }
  /** Not now: the named deposits are not confirmed here yet. The same offer is welcome later. */
  | { readonly type: "later"; readonly nonce: bigint }
  | { readonly type: "want" }
  | { readonly type: "turn"; readonly turn: number };

/** Payments in one offer. Some 100 bytes each. */
export const PAYMENTS_MAX = 1_000;
const TURN_MAX = 2 ** 48;

export function messageToJson(message: Message): object {
  switch (message.type) {
    case "hello":
      return { ...message, agreed: message.agreed && signedToJson(message.agreed) };
    case "offer":
      return {
        ...message,
        state: stateToJson(message.state),
        payments: message.payments.map(({ id, amountWei }) => [id, String(amountWei)]),
      };
    case "accept":
    case "later":
      return { ...message, nonce: String(message.nonce) };
    case "want":
    case "turn":
      return message;
  }
}

/** @throws OperatorError CHANNEL_MESSAGE */
export function messageFromJson(json: unknown): Message {
  const type = (json as { type?: unknown } | null)?.type;
  switch (type) {
    case "hello": {
      const { turn, agreed } = objectOf(json, ["type", "turn", "agreed"]);
      return { type, turn: turnOf(turn), agreed: agreed === null ? null : signedFromJson(agreed) };
    }
    case "offer": {
      const { kind, state, signature, payments } = objectOf(json, [
        "type",
        "kind",
        "state",
        "signature",
        "payments",
      ]);
      if (kind !== "state" && kind !== "close") throw malformed("kind", "state or close");
      return {
        type,
        kind,
        state: stateFromJson(state),
        signature: signatureOf(signature),
        payments: paymentsOf(payments),
      };
    }
    case "accept": {
      const fields = objectOf(json, ["type", "nonce", "signature", "wants"]);
      if (typeof fields.wants !== "boolean") throw malformed("wants", "true or false");
      const nonce = decimal(fields.nonce, "nonce", 1n << 64n);
      return { type, nonce, signature: signatureOf(fields.signature), wants: fields.wants };
    }
    case "later": {
      const { nonce } = objectOf(json, ["type", "nonce"]);
      return { type, nonce: decimal(nonce, "nonce", 1n << 64n) };
    }
    case "want":
      objectOf(json, ["type"]);
      return { type };
    case "turn":
      return { type, turn: turnOf(objectOf(json, ["type", "turn"]).turn) };
    default:
      throw malformed("type", "hello, offer, accept, later, want or turn");
  }
}

function turnOf(value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < TURN_MAX) {
    return value as number;
  }
  throw malformed("turn", `a whole number below ${TURN_MAX}`);
}

function paymentsOf(value: unknown): Payment[] {
  if (!Array.isArray(value) || value.length > PAYMENTS_MAX) {
    throw malformed("payments", `a list of at most ${PAYMENTS_MAX}`);
  }
  return value.map((entry: unknown) => {
    if (!Array.isArray(entry) || entry.length !== 2) throw malformed("payments", "[id, amount]");
    const [id, amount] = entry as [unknown, unknown];
    if (!isPaymentId(id)) throw malformed("payments", "an id of 1 to 64 visible characters");
    return { id, amountWei: decimal(amount, "payments", 1n << 128n) };
  });
}

/** Visible ASCII: a thousand of them stay below the longest line whatever JSON makes of them. */
export const isPaymentId = (id: unknown): id is string =>
  typeof id === "string" && /^[!-~]{1,64}$/.test(id);
