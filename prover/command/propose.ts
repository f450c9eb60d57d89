import { fraudCommand } from "./fraud.ts";

export const propose = fraudCommand(
  "propose",
  { proposes: true, challenges: false },
  {
    summary: "run an optimistic rollup's proposer: state roots, their defence, finality",
    meaning: `Executes the inbox's batches, stakes on the roots that they lead to, answers whoever disputes them, and makes
final what can be.`,
  },
);
