/** What a running service takes, looked at from outside, and what it says of itself. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ServedProcess } from "../../test/prover/served-process.ts";

export interface Sample {
  /** Seconds since the beginning. */
  readonly at: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly openFiles: number;
  readonly storeBytes: number;
}

/** A measure, and how much it may grow in a run: a part of its median, or so much. */
export interface Measure {
  readonly name: keyof Omit<Sample, "at">;
  readonly unit: "MB" | "";
  readonly mayGrowBy: { readonly part: number; readonly least: number };
}

const MB = 1e6;

/** Not tuned: what a leak of a hundred bytes a job would not reach in minutes, one of a kilobyte does. */
export const MEASURES: readonly Measure[] = [
  { name: "residentBytes", unit: "MB", mayGrowBy: { part: 0.1, least: 30 * MB } },
  { name: "heapBytes", unit: "MB", mayGrowBy: { part: 0.2, least: 10 * MB } },
  { name: "openFiles", unit: "", mayGrowBy: { part: 0.1, least: 8 } },
  { name: "storeBytes", unit: "MB", mayGrowBy: { part: 0.25, least: 8 * MB } },
];

export async function takeSample(
  served: ServedProcess,
  storeDir: string,
  at: number,
): Promise<Sample> {
  const files = readdirSync(storeDir).map((name) => {
    try {
      return statSync(join(storeDir, name)).size;
    } catch {
      // It has gone since.
      return 0;
    }
  });
  return {
    at,
    residentBytes: served.memoryBytes(),
    heapBytes: await heapBytes(served.adminPort),
    openFiles: readdirSync(`/proc/${served.pid}/fd`).length,
    storeBytes: files.reduce((sum, size) => sum + size, 0),
  };
}

async function heapBytes(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const found = /^proofmill_memory_bytes\{[^}]*kind="heap"[^}]*\} (\S+)$/m.exec(text);
  if (found === null) throw new Error("the metrics have no proofmill_memory_bytes of the heap");
  return Number(found[1]);
}
