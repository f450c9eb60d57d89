/**
 * Recomputes test/snapshots/constraints.json, proofs.json, gpu-sums.json and
 * gpu-quotient.json.
 *
 *   npm run costs              proofs, templates and the circuits that every build compiles: about a minute
 *   npm run costs -- --proofs  proofs only: seconds
 *   npm run costs -- --all     the large circuits and the marginal costs too: about fifteen minutes, 2 GB
 *   … --circom PATH            with a native circom; it gives the same counts, faster
 *
 * Only counts, no times: the result is the same on every machine, and CI compares it.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { snapshotQuotientCosts } from "../bench/gpu-quotient-costs.ts";
import { costSnapshot } from "../bench/gpu-sum-costs.ts";
import { snapshotCosts } from "../bench/proof-costs.ts";
import { circuitCosts, marginalCosts, templateCosts, templatesDigest } from "../circuits/costs.ts";
import { CIRCUITS } from "../circuits/parameters.ts";

/** Compiled by `npm run build`. */
const BUILT = ["batch-tiny", "batch-4"];
/** Levels for which the cost of one more transfer is bounded. */
const MARGINAL = [
  { levels: 8, top: 3 },
  { levels: 12, top: 3 },
];

const root = join(import.meta.dirname, "..");
const snapshotPath = join(root, "test/snapshots/constraints.json");
const { values: flags } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    proofs: { type: "boolean", default: false },
    circom: { type: "string" },
  },
});

const proofs = await snapshotCosts(root);
for (const [id, costs] of Object.entries(proofs)) {
  const { quotient, a, b2, c } = costs;
  const inQuotient = quotient.sparseProducts + quotient.pointwise + quotient.transforms;
  const parts = [
    `quotient ${inQuotient.toLocaleString("en")}`,
    `A ${a.multiplications.toLocaleString("en")}`,
    `B ${b2.multiplications.toLocaleString("en")}`,
    `C ${(c.multiplications + c.scaling).toLocaleString("en")}`,
  ];
  const sum = costs.multiplications.toLocaleString("en");
  console.log(`${id}: ${sum} field multiplications a proof (${parts.join(", ")})`);
}
await writeFile(
  join(root, "test/snapshots/proofs.json"),
  `${JSON.stringify(proofs, undefined, 2)}\n`,
);
await writeFile(
  join(root, "test/snapshots/gpu-sums.json"),
  `${JSON.stringify(costSnapshot(), undefined, 2)}\n`,
);
await writeFile(
  join(root, "test/snapshots/gpu-quotient.json"),
  `${JSON.stringify(await snapshotQuotientCosts(), undefined, 2)}\n`,
);
// Compiling circuits takes longer.
if (flags.proofs) process.exit();

const options = flags.circom === undefined ? {} : { circomPath: flags.circom };

const old = await readFile(snapshotPath, "utf8").then(JSON.parse, () => ({}));
const snapshot = {
  /** Without comments: see templatesDigest. Of the sources that `--all` was last run on. */
  largeMeasuredOn: flags.all ? await templatesDigest() : old.largeMeasuredOn,
  templates: await templateCosts(join(root, "build/costs"), options),
  circuits: { ...old.circuits },
  marginal: { ...old.marginal },
};
for (const parameters of CIRCUITS) {
  const { id } = parameters;
  if (flags.all || BUILT.includes(id)) {
    const builtDir = join(root, "build/circuits", id);
    const folder = join(root, "build/costs", id);
    snapshot.circuits[id] = await circuitCosts(parameters, folder, { builtDir, ...options });
  }
  const costs = snapshot.circuits[id];
  if (costs !== undefined) {
    console.log(
      `${id}: ${costs.constraints} constraints, ${costs.fillPercent} % of 2^${costs.domainLog2}`,
    );
  }
}
if (flags.all) {
  for (const dimensions of MARGINAL) {
    const name = `levels ${dimensions.levels}, top ${dimensions.top}`;
    snapshot.marginal[name] = await marginalCosts(dimensions, join(root, "build/costs"), options);
  }
}
for (const [name, { perTransfer }] of Object.entries<{ perTransfer: number }>(snapshot.marginal)) {
  console.log(`${name}: ${perTransfer} constraints for one more transfer`);
}
// Circuits that are no longer in the table go.
const ids = CIRCUITS.map(({ id }) => id);
snapshot.circuits = Object.fromEntries(
  ids.filter((id) => id in snapshot.circuits).map((id) => [id, snapshot.circuits[id]]),
);
await writeFile(snapshotPath, `${JSON.stringify(snapshot, undefined, 2)}\n`);
