/**
 * Multi-scalar multiplication alone, on one thread: sum of scalar times point over a whole section of
 * a key, the scalars being the witness.
 *
 * ffjavascript is called directly, as the yardstick. Our engines are reached through the same seam
 * as Groth16 reaches them; an engine takes part by a line in `ENGINES`.
 */
import { createRequire } from "node:module";
import type { G1Point, G2Point } from "../worker/curve.ts";
import type { Engine } from "../worker/engine.ts";
import { openEngine } from "../worker/engines/open.ts";
import { readG1, readG2, type Zkey } from "../worker/zkey.ts";

/** One engine with one key, ready to sum. */
export interface Msm {
  /** Sum of w_i A_i. */
  g1(): Promise<G1Point>;
  /** Sum of w_i B_i in G2. */
  g2(): Promise<G2Point>;
}

/** Our engines with one thread, by the id of the contender whose kernels they are. */
const ENGINES: Readonly<Record<string, () => Promise<Engine>>> = {
  wasm: () => openEngine({ engine: "wasm" }),
  "wasm-plain": () => openEngine({ engine: "wasm", revectorize: false }),
};

/** What the others are compared with. */
export const YARDSTICK = "ffjavascript";

export function hasMsm(engine: string): boolean {
  return engine === YARDSTICK || engine in ENGINES;
}

/**
 * @param witness  nVars x 32 B, little-endian, canonical.
 * @throws RangeError if there is no such engine.
 */
export async function openMsm(engine: string, zkey: Zkey, witness: Uint8Array): Promise<Msm> {
  if (engine === YARDSTICK) return openYardstick(zkey, witness);
  const open = ENGINES[engine];
  if (open === undefined) throw new RangeError(`engine: got "${engine}", which bench/msm.ts lacks`);
  const key = await (await open()).loadKey(zkey);
  const ignore = () => {};
  const withRun = async <T>(sum: (run: ReturnType<typeof key.begin>) => Promise<T>): Promise<T> => {
    const run = key.begin(witness);
    try {
      return await sum(run);
    } finally {
      await run.end();
    }
  };
  return {
    g1: () =>
      withRun(async (run) => {
        const sums = await run.sums({ g1: [[{ section: "a" }]], g2: [] }, ignore);
        return sums.g1[0] as G1Point;
      }),
    g2: () =>
      withRun(async (run) => {
        const sums = await run.sums({ g1: [], g2: [[{ section: "b2" }]] }, ignore);
        return sums.g2[0] as G2Point;
      }),
  };
}

async function openYardstick({ a, b2 }: Zkey, witness: Uint8Array): Promise<Msm> {
  const require = createRequire(import.meta.url);
  const { buildBn128 } = require("ffjavascript") as typeof import("ffjavascript");
  const { G1, G2 } = await buildBn128(true);
  const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);
  return {
    g1: async () => readG1(viewOf(G1.toAffine(await G1.multiExpAffine(a, witness))), 0),
    g2: async () => readG2(viewOf(G2.toAffine(await G2.multiExpAffine(b2, witness))), 0),
  };
}
