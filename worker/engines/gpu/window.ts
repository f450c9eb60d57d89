/**
 * Parts of buffers as a device takes them: a binding may not be longer than `bindingBytes`, and begins
 * at a multiple of `bindingAlignment`, which what is wanted need not do.
 */
import type { GpuLimits, GpuSlice } from "../../gpu/device.ts";

/** The limits that windows keep to. */
export type WindowLimits = Pick<GpuLimits, "bindingBytes" | "bindingAlignment">;

/** What is bound, and how many bytes before what was wanted it begins. */
export interface Window {
  readonly slice: GpuSlice;
  readonly skip: number;
}

/** `bytes` from `offset` in a slice. */
export function windowOf(
  { buffer, offset: base = 0 }: GpuSlice,
  offset: number,
  bytes: number,
  { bindingAlignment }: WindowLimits,
): Window {
  const skip = (base + offset) % bindingAlignment;
  return { slice: { buffer, offset: base + offset - skip, bytes: bytes + skip }, skip };
}

/** How many items of so many bytes fit in a window wherever it begins; 0 if not even one does. */
export function itemsPerWindow(itemBytes: number, limits: WindowLimits): number {
  const { bindingBytes, bindingAlignment } = limits;
  // Of items that are so many bytes long each begins where a window may begin.
  const lost = itemBytes % bindingAlignment === 0 ? 0 : bindingAlignment;
  return Math.max(0, Math.floor((bindingBytes - lost) / itemBytes));
}

/**
 * A slice of `count` items cut into windows without a skip.
 *
 * @param slice  begins where a window may.
 * @param itemBytes  a power of two that a window takes.
 */
export function windowsOf(
  { buffer, offset = 0 }: GpuSlice,
  count: number,
  itemBytes: number,
  { bindingBytes, bindingAlignment }: WindowLimits,
): { slice: GpuSlice; count: number }[] {
  const unit = Math.max(itemBytes, bindingAlignment);
  const most = (Math.floor(bindingBytes / unit) * unit) / itemBytes;
  return Array.from({ length: Math.ceil(count / most) }, (_, i) => {
    const items = Math.min(most, count - i * most);
    const place = { offset: offset + i * most * itemBytes, bytes: items * itemBytes };
    return { slice: { buffer, ...place }, count: items };
  });
}

export function alignedUp(bytes: number, { bindingAlignment }: WindowLimits): number {
  return Math.ceil(bytes / bindingAlignment) * bindingAlignment;
}
