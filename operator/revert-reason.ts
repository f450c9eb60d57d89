import { type Abi, BaseError, decodeErrorResult, type Hex } from "viem";

export interface RevertReason {
  /** The contract's error, or undefined for a revert without known data. */
  readonly name: string | undefined;
  /** One line for people: `WrongPreviousRoot(12, 34)`. */
  readonly text: string;
}

/**
 * Why an Ethereum call or transaction fails, taken from whatever viem threw.
 *
 * @returns undefined if the error is not a revert but, say, a node that does not answer.
 */
export function revertReason(error: unknown, abi: Abi): RevertReason | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const data = revertData(error);
  if (data !== undefined) {
    try {
      const { errorName, args } = decodeErrorResult({ abi, data });
      return { name: errorName, text: `${errorName}(${(args ?? []).join(", ")})` };
    } catch {
      return { name: undefined, text: `unknown error ${data.slice(0, 10)}` };
    }
  }
  const reverted = error.walk((cause) => /revert/i.test((cause as Error).message));
  return reverted ? { name: undefined, text: error.shortMessage } : undefined;
}

/** Nodes put the data at different depths: in `data` itself or in `data.data`. */
function revertData(error: BaseError): Hex | undefined {
  let found: Hex | undefined;
  error.walk((cause) => {
    const { data } = cause as { data?: unknown };
    const inner = (data as { data?: unknown } | undefined)?.data;
    const hex = [data, inner].find(
      (value): value is Hex => typeof value === "string" && /^0x[0-9a-f]{8,}$/i.test(value),
    );
    found ??= hex;
    return found !== undefined;
  });
  return found;
}
