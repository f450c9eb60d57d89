// What a step shows the contract: the fields of its pre-state and the openings that it reads.

import { encodeAbiParameters, type Hex } from "viem";
import type { AccountOpening, Reads } from "./executor.ts";
import { type LedgerState, NO_ACCOUNT, stateFields } from "./state.ts";

const OPENING = {
  type: "tuple",
  components: [
    {
      name: "account",
      type: "tuple",
      components: [
        { name: "owner", type: "address" },
        { name: "nonce", type: "uint64" },
        { name: "balance", type: "uint128" },
      ],
    },
    { name: "siblings", type: "bytes32[]" },
  ],
} as const;

const PRE_STATE = [
  {
    type: "tuple",
    components: [
      { name: "accountsRoot", type: "bytes32" },
      { name: "exitRoot", type: "bytes32" },
      { name: "exitCount", type: "uint64" },
      { name: "l1Cursor", type: "uint64" },
      { name: "feePot", type: "uint128" },
    ],
  },
  OPENING,
  OPENING,
  { type: "bytes32[]" },
] as const;

const NOT_READ: AccountOpening = { account: NO_ACCOUNT, siblings: [] };

/** `preState` of `executeInstruction`. What was not read stays empty: it would cost calldata. */
export function encodeWitness(state: LedgerState, reads: Reads): Hex {
  const { debited = NOT_READ, credited = NOT_READ, exitSiblings = [] } = reads;
  return encodeAbiParameters(PRE_STATE, [stateFields(state), debited, credited, exitSiblings]);
}
