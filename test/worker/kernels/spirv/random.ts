/** Random numbers that a seed gives again. */
import { createHash } from "node:crypto";

/** `count` numbers below `bound` (at most 2^256), the same for the same seed. */
export function randomsBelow(bound: bigint, count: number, seed: string): bigint[] {
  // 128 bits more than the bound has: no number is noticeably likelier than another.
  const wide = createHash("shake256", { outputLength: 48 * count })
    .update(seed)
    .digest("hex");
  return Array.from(
    { length: count },
    (_, i) => BigInt(`0x${wide.slice(96 * i, 96 * (i + 1))}`) % bound,
  );
}
