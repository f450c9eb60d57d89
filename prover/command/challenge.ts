import { fraudCommand } from "./fraud.ts";

export const challenge = fraudCommand(
  "challenge",
  { proposes: false, challenges: true },
  {
    summary: "run an optimistic rollup's challenger: disputes false state roots",
    meaning: `Executes the inbox's batches, compares every proposed root with what they lead to, and disputes those that are
false until L1 has seen the wrong instruction. One such process that runs is enough to keep a rollup honest.`,
  },
);
