import { fieldError } from "./errors.ts";

/** A list's position as an opaque text, so that no caller depends on what it is. */
export function encodePageToken(cursor: number | undefined): string {
  return cursor === undefined ? "" : Buffer.from(`v1:${cursor}`).toString("base64url");
}

/**
 * @returns undefined for the first page.
 * @throws ProverError REQUEST_MALFORMED
 */
export function decodePageToken(token: string): number | undefined {
  if (token === "") return undefined;
  const match = /^v1:(\d{1,15})$/.exec(Buffer.from(token, "base64url").toString("latin1"));
  if (match === null) {
    throw fieldError("page_token", "expected next_page_token of an earlier answer, or nothing");
  }
  return Number(match[1]);
}
