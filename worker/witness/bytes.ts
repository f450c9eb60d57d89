/** Numbers of variable length (LEB128) as WebAssembly binaries have them. */

/** Reads a binary from front to back. Whatever does not fit throws RangeError. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError("it ends too early");
    this.#at++;
    return byte;
  }

  /** An unsigned number below 2^32. */
  u32(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 35; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80 && value < 2 ** 32) return value;
    }
    throw new RangeError("a number is too large");
  }

  /** A signed number of 32 bits. */
  s32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return shift < 28 && byte & 0x40 ? value | (-1 << (shift + 7)) : value;
    }
    throw new RangeError("a number is too large");
  }

  /** Passes over a number of any length. */
  skipNumber(): void {
    while (this.byte() >= 0x80);
  }

  /** The next bytes, as a view. */
  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new RangeError("it ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A name; ASCII is all that circom writes. */
  text(): string {
    return Buffer.from(this.take(this.u32())).toString("latin1");
  }
}

/** A number of 32 bits as signed LEB128: constants and addresses. */
export function signed32(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; ) {
    const low = rest & 0x7f;
    rest >>= 7;
    const isLast = (rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}
