/** Since ES2024, which Node 20 does not have. */
type Transferable = { transfer?(bytes: number): unknown };

/**
 * Zeroes bytes that are not needed any more and may be secret. Where they are the whole of their
 * buffer, its memory goes at once (Node 22 and later): left to the garbage collector, which counts
 * only what is in its heap, some ten witnesses of several megabytes pile up.
 *
 * The array is empty afterwards, or holds zeros.
 */
export function discard(bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  bytes.fill(0);
  const { buffer, byteLength } = bytes;
  if (!(buffer instanceof ArrayBuffer) || byteLength !== buffer.byteLength) return;
  (buffer as Transferable).transfer?.(0);
}
