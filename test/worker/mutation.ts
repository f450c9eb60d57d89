import { encodeSections, readSections } from "../../worker/binfile.ts";
import { BASE_FIELD, SCALAR_FIELD, toBytesLE } from "../../worker/field.ts";

/** An integer from 0 to below - 1. */
export type Random = (below: number) => number;

/** Marsaglia's xorshift32: small, and the same on every machine. */
export function generator(seed: number): Random {
  // Neighbouring seeds shall have nothing in common; 0 would stay 0.
  let x = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

const pick = <T>(random: Random, items: readonly T[]): T => items[random(items.length)] as T;

/** One to three of the ways in which bytes go wrong, most of them near the beginning. */
export function damageBytes(original: Uint8Array, random: Random): Uint8Array {
  let bytes = new Uint8Array(original);
  const place = () => random(random(2) === 0 ? Math.min(700, bytes.length) : bytes.length);
  for (let rounds = 1 + random(3); rounds > 0 && bytes.length > 0; rounds--) {
    const at = place();
    switch (random(7)) {
      case 0:
        bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = joined(bytes, bytes.subarray(at, at + 1 + random(64)));
        break;
      case 4:
        bytes.copyWithin(at, place(), place());
        break;
      case 5:
        bytes.fill(random(2) === 0 ? 0 : 0xff, at, at + 1 + random(40));
        break;
      default:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(place()));
    }
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** Counts and indices at the edges of what a file may say. */
const WILD = [0, 1, 2, 3, 4, 8, 28, 30, 31, 32, 33, 64, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const WILD_SIZES = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** What a container is and what may be put into it. */
export interface Container {
  readonly magic: string;
  readonly version: number;
  /** Sound files of the same kind: another circuit's, another key's. */
  readonly others: readonly Uint8Array[];
  /** Bytes that mean something in such a file: points, numbers. */
  readonly treasures: readonly Uint8Array[];
}

/**
 * One to three changes that leave the container a container: a parser that trusts its table of
 * sections is told a wrong story about what is in them.
 */
export function damageSections(
  original: Uint8Array,
  { magic, version, others, treasures }: Container,
  random: Random,
): Uint8Array {
  const format = { magic, version, code: "BUG" } as const;
  const sections = [...readSections(original, format)].map(([type, content]) => ({
    type,
    content: new Uint8Array(content),
  }));
  for (let rounds = 1 + random(3); rounds > 0 && sections.length > 0; rounds--) {
    const at = random(sections.length);
    const section = sections[at] as (typeof sections)[number];
    const { content } = section;
    const word = 4 * random(Math.ceil((content.length + 1) / 4));
    switch (random(10)) {
      case 0:
        sections.splice(at, 1);
        break;
      case 1:
        sections.splice(random(sections.length), 0, ...sections.splice(at, 1));
        break;
      case 2:
        section.type = pick(random, [0, 1, 2, 5, 7, 10, 11, 2 ** 32 - 1]);
        break;
      case 3:
        section.content = content.slice(0, random(2) === 0 ? 0 : random(content.length + 1));
        break;
      case 4:
        section.content = joined(content, content.subarray(0, pick(random, [1, 4, 44, 64, 128])));
        break;
      case 5:
        if (word + 4 > content.length) break;
        new DataView(content.buffer).setUint32(word, pick(random, WILD), true);
        break;
      case 6: {
        // At a multiple of its own length, where such a thing may stand.
        const treasure = pick(random, treasures);
        const start = treasure.length * random(Math.floor(content.length / treasure.length) + 1);
        if (start + treasure.length <= content.length) content.set(treasure, start);
        break;
      }
      case 7: {
        const other = readSections(pick(random, others), format).get(section.type);
        if (other !== undefined) section.content = new Uint8Array(other);
        break;
      }
      case 8: {
        const another = (pick(random, sections) as typeof section).content;
        if (another.length <= content.length) content.set(another);
        break;
      }
      default:
        section.content = damageBytes(content, random) as Uint8Array<ArrayBuffer>;
    }
  }
  const file = encodeSections(
    magic,
    version,
    sections.map(({ type, content }) => ({ type, pieces: [content] })),
  );
  if (random(8) === 0) lieAboutSize(file, random);
  return file;
}

/** Changes the size of the first section, or the number of sections. */
function lieAboutSize(file: Uint8Array, random: Random): void {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (random(2) === 0 || file.length < 24) view.setUint32(8, pick(random, WILD), true);
  else view.setBigUint64(16, pick(random, WILD_SIZES), true);
}

/** Numbers at the edges of both fields, 32 B each. */
export const WILD_NUMBERS: readonly Uint8Array[] = [
  0n,
  1n,
  SCALAR_FIELD - 1n,
  SCALAR_FIELD,
  SCALAR_FIELD + 1n,
  BASE_FIELD - 1n,
  BASE_FIELD,
  BASE_FIELD + 1n,
  2n ** 255n,
  2n ** 256n - 1n,
].map(toBytesLE);
