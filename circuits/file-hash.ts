import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/**
 * Hash of a file's content, read as a stream: keys have hundreds of megabytes.
 *
 * @returns lower-case hexadecimal.
 */
export async function hashFile(path: string, algorithm: "sha256" | "blake2b512"): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}
