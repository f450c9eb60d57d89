/** API tokens: 256 random bits, of which the service keeps a hash. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Known prefix: tools that look for leaked secrets find it. */
const PREFIX = "proofmill_";
const TOKEN = /^proofmill_[A-Za-z0-9_-]{43}$/;

export function newToken(): string {
  return PREFIX + randomBytes(32).toString("base64url");
}

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * SHA-256. A slow hash would protect passwords, which can be guessed; nobody guesses 256 bits.
 *
 * @returns 32 bytes.
 */
export function hashOfToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** The position of `digest` among `known`, or -1. Takes as long wherever it stands. */
export function findDigest(digest: Buffer, known: readonly Buffer[]): number {
  let found = -1;
  known.forEach((candidate, i) => {
    if (timingSafeEqual(candidate, digest)) found = i;
  });
  return found;
}
