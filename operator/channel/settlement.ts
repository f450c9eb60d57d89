// What a party, or whoever stands in for it, tells the chain: calldata for the channel.

import { encodeFunctionData, type Hex } from "viem";
import { OperatorError } from "../errors.ts";
import { CHANNEL_ABI } from "./abi.ts";
import type { PartyRecord } from "./party-store.ts";
import type { SignedState } from "./signed-state.ts";

const args = ({ state, aliceSignature, bobSignature }: SignedState) =>
  [state, aliceSignature, bobSignature] as const;

/** Answers a dispute about an earlier state. From anybody. */
export const answerData = (state: SignedState): Hex =>
  encodeFunctionData({ abi: CHANNEL_ABI, functionName: "challengeDispute", args: args(state) });

/** Starts a dispute with what a side remembers. From a party's account, or from its key's. */
export function disputeData({ agreed }: PartyRecord): Hex {
  return agreed === null
    ? encodeFunctionData({ abi: CHANNEL_ABI, functionName: "initiateDepositDispute" })
    : encodeFunctionData({
        abi: CHANNEL_ABI,
        functionName: "initiateDispute",
        args: args(agreed),
      });
}

/**
 * Closes at once, where both signed a close. From anybody.
 *
 * @throws OperatorError CHANNEL_CLOSING  if they did not.
 */
export function closeData({ close }: PartyRecord): Hex {
  if (close === null) {
    throw new OperatorError("CHANNEL_CLOSING", "there is no close with both signatures: dispute.");
  }
  const { aliceBalance: aliceFinal, bobBalance: bobFinal, ...rest } = close.state;
  return encodeFunctionData({
    abi: CHANNEL_ABI,
    functionName: "cooperativeClose",
    args: [{ ...rest, aliceFinal, bobFinal }, close.aliceSignature, close.bobSignature],
  });
}
