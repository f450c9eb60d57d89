import { type Account, EMPTY_ACCOUNT, isEmptyAccount, leafOf } from "./account.ts";
import { BatchError } from "./errors.ts";
import type { CircuitParameters } from "./parameters.ts";
import { climb, rootOf, type Siblings } from "./path.ts";
import {
  requireAccount,
  requireElement,
  requireLength,
  requireObject,
  requireWhole,
} from "./shape.ts";
import { StateTree } from "./tree.ts";

/** One account of the state before the batch, with its path to the top nodes. */
export interface AccountOpening {
  readonly index: number;
  readonly account: Account;
  /** (levels - top) x 3, lowest level first: the other member of the pair, then the other pair in its order. */
  readonly siblings: readonly (readonly bigint[])[];
}

export interface OpenedState {
  readonly prevRoot: bigint;
  /** The 4^top nodes that lie `top` levels below the root. */
  readonly topNodes: readonly bigint[];
  readonly openings: readonly AccountOpening[];
}

/** @throws BatchError BATCH_SHAPE unless every count and range fits the circuit. */
export function checkOpeningShapes(parameters: CircuitParameters, state: OpenedState): void {
  const { nTx, nDeposits, levels, top } = parameters;
  requireElement(state.prevRoot, "prevRoot");
  requireLength(state.topNodes, 4 ** top, 4 ** top, "topNodes");
  for (let i = 0; i < state.topNodes.length; i++) {
    requireElement(state.topNodes[i] as bigint, `topNodes[${i}]`);
  }
  // Each L1 slot one, each transfer two, the fee account, and slot 0 for unused slots.
  requireLength(state.openings, 0, nDeposits + 2 * nTx + 2, "openings");
  for (let i = 0; i < state.openings.length; i++) {
    const path = `openings[${i}]`;
    const opening = state.openings[i] as AccountOpening;
    requireObject(opening, path);
    requireWhole(opening.index, 0, 4 ** levels, `${path}.index`);
    requireAccount(opening.account, `${path}.account`);
    requireLength(opening.siblings, levels - top, levels - top, `${path}.siblings`);
    for (let level = 0; level < levels - top; level++) {
      const three = opening.siblings[level] as readonly bigint[];
      requireLength(three, 3, 3, `${path}.siblings[${level}]`);
      for (let k = 0; k < 3; k++) {
        requireElement(three[k] as bigint, `${path}.siblings[${level}][${k}]`);
      }
    }
  }
}

/**
 * The part of the state tree that the openings prove. Shapes have been checked.
 *
 * @param touched the slots that the batch opens: exactly these must be opened, each once.
 * @throws BatchError BATCH_SHAPE, BATCH_PATH, or BATCH_ACCOUNT for an impossible account.
 */
export function openState(
  parameters: CircuitParameters,
  state: OpenedState,
  touched: ReadonlySet<number>,
): StateTree {
  checkOpenedSlots(state.openings, touched);
  if (rootOf(state.topNodes) !== state.prevRoot) {
    throw new BatchError("BATCH_PATH", "topNodes", {
      got: `nodes with root ${rootOf(state.topNodes)}`,
      expected: `nodes with root ${state.prevRoot}`,
      advice: "Take prevRoot and topNodes from one state",
    });
  }
  const closedLevels = parameters.levels - parameters.top;
  const tree = StateTree.fromTopNodes(parameters.levels, parameters.top, state.topNodes);
  for (const [i, { index, account, siblings }] of state.openings.entries()) {
    const path = siblings as readonly Siblings[];
    const expected = state.topNodes[Math.floor(index / 4 ** closedLevels)];
    if (climb(index, leafOf(account), path) !== expected) {
      throw new BatchError("BATCH_PATH", `openings[${i}]`, {
        got: `a path from account ${index} that does not lead to its top node`,
        expected: "account and siblings as they stand under prevRoot",
        advice:
          "Every opening is against the state before the batch, also of accounts that the batch changes",
      });
    }
    checkPossible(index, account, `openings[${i}].account`);
    tree.open(index, account, path);
  }
  return tree;
}

function checkOpenedSlots(openings: readonly AccountOpening[], touched: ReadonlySet<number>): void {
  const opened = new Set<number>();
  for (const [i, { index }] of openings.entries()) {
    if (opened.has(index) || !touched.has(index)) {
      throw new BatchError("BATCH_SHAPE", `openings[${i}].index`, {
        got: `${index}, ${opened.has(index) ? "opened before" : "which the batch does not touch"}`,
        expected: "each touched account once, and no other",
      });
    }
    opened.add(index);
  }
  for (const index of touched) {
    if (!opened.has(index)) {
      throw new BatchError("BATCH_PATH", "openings", {
        got: `no opening of account ${index}`,
        expected: "one for each touched account, for feeIndex, and for 0 while a slot is unused",
      });
    }
  }
}

/** Slot 0 is never an account, and a slot without a key holds nothing: so it has been since genesis. */
function checkPossible(index: number, account: Account, path: string): void {
  const mustBeEmpty = index === 0 || account.pkHash === EMPTY_ACCOUNT.pkHash;
  if (mustBeEmpty && !isEmptyAccount(account)) {
    throw new BatchError("BATCH_ACCOUNT", path, {
      got: "an account with content",
      expected: index === 0 ? "an empty slot 0" : "no balance and no nonce without a key",
      advice: "prevRoot is not the root of a rollup that began empty",
    });
  }
}
