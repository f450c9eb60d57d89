import type { Abi } from "viem";
import { expect } from "vitest";
import { INBOX_ABI } from "../../operator/ledger/ledger-abi.ts";
import { revertOf } from "../contracts/reverts.ts";

/** Expects a call to revert with exactly this error of the inbox. */
export async function refuses(
  call: Promise<unknown>,
  name: string,
  args: readonly unknown[],
): Promise<void> {
  expect(await revertOf(call, INBOX_ABI as Abi)).toEqual({ name, args });
}
