import { type Hex, numberToHex } from "viem";

/**
 * 32-byte big-endian words, one after the other: what abi.encode gives for as many uint256.
 *
 * @throws RangeError (viem's) if a value is negative or needs more than 256 bits.
 */
export function wordsToHex(values: readonly bigint[]): Hex {
  return `0x${values.map((value) => numberToHex(value, { size: 32 }).slice(2)).join("")}`;
}
