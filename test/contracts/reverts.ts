import { type Abi, BaseError, decodeErrorResult, type Hex, isHex } from "viem";
import { expect } from "vitest";
import { ROLLUP_ABI } from "../../circuits/rollup-abi.ts";

/** A custom error as the chain returned it. */
export interface Revert {
  readonly name: string;
  readonly args: readonly unknown[];
}

/**
 * Expects a call to revert with exactly this custom error. `errors.test.ts` reads the names out of the
 * sources of these tests: write them as literals.
 */
export async function refuses(
  call: Promise<unknown>,
  name: string,
  args: readonly unknown[],
): Promise<void> {
  const revert = await revertOf(call);
  expect(revert).toEqual({ name, args });
}

/** @throws AssertionError if the call succeeds or fails without a custom error of the rollup. */
export async function revertOf(call: Promise<unknown>, abi: Abi = ROLLUP_ABI): Promise<Revert> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure, "the call succeeded").toBeInstanceOf(BaseError);
  const data = revertData(failure);
  expect(data, `no revert data in: ${failure}`).toBeDefined();
  const { errorName, args = [] } = decodeErrorResult({ abi, data: data as Hex });
  return { name: errorName, args };
}

/** viem buries it at different depths: raw in the RPC's error, or decoded and kept as `raw`. */
function revertData(error: unknown): Hex | undefined {
  for (let at = error; typeof at === "object" && at !== null; at = (at as Error).cause) {
    const { raw, data } = at as { raw?: unknown; data?: unknown };
    for (const candidate of [raw, data, (data as { data?: unknown } | undefined)?.data]) {
      if (isHex(candidate) && candidate.length >= 10) return candidate;
    }
  }
  return undefined;
}
