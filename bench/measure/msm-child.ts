/** One engine's multi-scalar multiplications in a process of its own. Argument: { engine, zkeyPath, wtnsPath }. */
import { readFile } from "node:fs/promises";
import { parseWtns } from "../../worker/wtns.ts";
import { parseZkey } from "../../worker/zkey.ts";
import { answerQuestions } from "../contenders/child.ts";
import { openMsm } from "../msm.ts";

export interface MsmQuestion {
  readonly group: "g1" | "g2";
}

export interface MsmAnswer {
  readonly ms: number;
  /** The sum's coordinates, for comparing engines. */
  readonly sum: string;
}

const { engine, zkeyPath, wtnsPath } = JSON.parse(process.argv[2] ?? "{}");
const zkey = parseZkey(await readFile(zkeyPath));
const msm = await openMsm(engine, zkey, parseWtns(await readFile(wtnsPath), zkey.nVars));

answerQuestions(async ({ group }: MsmQuestion): Promise<MsmAnswer> => {
  const startedMs = performance.now();
  const { x, y } = await msm[group]();
  return { ms: performance.now() - startedMs, sum: `${x},${y}` };
});
