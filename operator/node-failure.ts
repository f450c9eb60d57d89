import { BaseError } from "viem";

/**
 * What went wrong with a request to a node, for logs and status pages: without the node's address, whose
 * path is a password at many providers.
 */
export function nodeFailure(error: unknown): string {
  if (error instanceof BaseError) return `${error.name}: ${error.shortMessage}`;
  return error instanceof Error ? error.message : String(error);
}
