import { encodeSections, readSections } from "../../worker/binfile.ts";

/** A container file taken apart, so that a test can damage one section and put it together again. */
export class EditableFile {
  readonly #magic: string;
  readonly #version: number;
  readonly #sections: Map<number, Uint8Array>;

  constructor(bytes: Uint8Array, magic: string, version: number) {
    this.#magic = magic;
    this.#version = version;
    const format = { magic, version, code: "BUG" } as const;
    this.#sections = readSections(bytes, format);
  }

  section(type: number): Uint8Array {
    return this.#sections.get(type) as Uint8Array;
  }

  /** The whole file with one section changed by `edit`, which gets a copy; undefined drops it. */
  with(type: number, edit: (section: Uint8Array) => Uint8Array | undefined): Uint8Array {
    const edited = new Map(this.#sections);
    const section = edit(this.section(type).slice());
    if (section === undefined) edited.delete(type);
    else edited.set(type, section);
    return encodeSections(
      this.#magic,
      this.#version,
      [...edited].map(([id, content]) => ({ type: id, pieces: [content] })),
    );
  }

  /** As `with`, for a change of the 32-bit word at an offset. */
  withWord(type: number, offset: number, value: number): Uint8Array {
    return this.with(type, (section) => {
      new DataView(section.buffer).setUint32(offset, value, true);
      return section;
    });
  }

  /** As `with`, with bytes written over the section from an offset. */
  withBytes(type: number, offset: number, bytes: Uint8Array): Uint8Array {
    return this.with(type, (section) => {
      section.set(bytes, offset);
      return section;
    });
  }
}

/** The code of the error that `work` throws; "accepted" if it throws nothing, else what it is. */
export function outcomeOf(work: () => unknown): string {
  try {
    work();
    return "accepted";
  } catch (error) {
    return codeOf(error);
  }
}

/** As `outcomeOf`, for work that takes its time. */
export async function eventualOutcomeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "accepted";
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  const { code, name, message } = error as { code?: string; name: string; message: string };
  return name === "WorkError" ? String(code) : `${name}: ${message}`;
}
