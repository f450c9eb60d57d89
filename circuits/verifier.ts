/**
 * Generates the Solidity verifier of a Groth16 key: one contract, no imports, no state.
 *
 * The contract checks e(A, B) = e(alpha, beta) e(IC_0 + sum s_i IC_i, gamma) e(C, delta) with the
 * precompiles of EIP-196 and EIP-197. It holds -beta, -gamma and -delta, so that the product of four
 * pairings must be 1 and no coordinate of a proof is computed with: the precompiles see them exactly
 * as they were sent and refuse every coordinate that is not below q and every point outside its
 * group. Public signals are compared with r here, because multiplication would reduce them.
 */
import { type Fq2, G2, type G2Point } from "../worker/curve.ts";
import { SCALAR_FIELD } from "../worker/field.ts";
import { checkVerificationKey, type VerificationKey } from "../worker/verification-key.ts";

export interface VerifierOptions {
  /** Name of the contract: capital letter, then letters and digits. */
  readonly name: string;
  /** Whether the key is a development key; the contract's documentation then says so. */
  readonly isDevKey: boolean;
}

/** The contract's name for a circuit id: `batch-tiny` gives `BatchTinyVerifier`. */
export function verifierName(circuitId: string): string {
  const words = circuitId.split(/[.-]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join("")}Verifier`;
}

/**
 * The source text of the verifier contract: a function of the key and the options alone.
 *
 * @throws WorkError KEY_REFUSED if delta equals gamma, KEY_MALFORMED if a point is not in its group:
 *   a contract must not be made from such a key. RangeError if the name is not usable or there is
 *   no public signal.
 */
export function verifierSource(key: VerificationKey, { name, isDevKey }: VerifierOptions): string {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) {
    throw new RangeError(
      `contract name: got ${JSON.stringify(name)}, expected a capital letter, then letters and digits`,
    );
  }
  const count = key.ic.length - 1;
  if (count === 0) throw new RangeError("verifier: the key has no public signal to check");
  checkVerificationKey(key);
  const [first, ...rest] = key.ic.map((_, i) => `IC${i}`) as [string, ...string[]];
  const additions = rest.map(
    (point, i) =>
      `            valid := and(valid, addTerm(sum, ${point}_X, ${point}_Y, ` +
      `calldataload(add(publicSignals, ${word(i)}))))`,
  );

  return `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Generated from a verification key by Proofmill. Do not edit: generate it again.
// solhint-disable no-inline-assembly, function-max-lines

/// @title Groth16 verifier over BN254 for ${plural(count, "public signal")}
/// @author Proofmill
/// @notice ${isDevKey ? DEV_KEY_NOTICE : NOTICE}
contract ${name} {
${constants(key)}

    /// @notice Check one proof. Never reverts for what a proof or a signal contains.
    /// @dev A point that is not in its group makes a precompile fail, which takes 63/64 of the gas left.
    /// @param pA Point A in G1: x, y.
    /// @param pB Point B in G2: x, y, each with its imaginary part first (EIP-197).
    /// @param pC Point C in G1: x, y.
    /// @param publicSignals The public signals in the circuit's order; one that is not below r is refused.
    /// @return valid Whether the proof is one for exactly these signals.
    function verifyProof(
        uint256[2] calldata pA,
        uint256[2][2] calldata pB,
        uint256[2] calldata pC,
        uint256[${count}] calldata publicSignals
    ) external view returns (bool valid) {
        assembly ("memory-safe") {
            // sum += signal * (x, y). Scratch space: the three words behind the sum.
            function addTerm(sum, x, y, signal) -> ok {
                let term := add(sum, 0x40)
                mstore(term, x)
                mstore(add(term, 0x20), y)
                mstore(add(term, 0x40), signal)
                ok := lt(signal, SCALAR_FIELD)
                ok := and(ok, staticcall(gas(), EC_MUL, term, 0x60, term, 0x40))
                ok := and(ok, staticcall(gas(), EC_ADD, sum, 0x80, sum, 0x40))
            }

            // Four pairs of 192 bytes: (A, B), (alpha, -beta), (sum, -gamma), (C, -delta).
            let pairs := mload(0x40)
            let sum := add(pairs, 0x180)
            valid := 1
            mstore(sum, ${first}_X)
            mstore(add(sum, 0x20), ${first}_Y)
${additions.join("\n")}

            calldatacopy(pairs, pA, 0x40)
            calldatacopy(add(pairs, 0x40), pB, 0x80)
${stores(0xc0, ["ALPHA_X", "ALPHA_Y", ...g2Names("NEG_BETA")])}
${stores(0x1c0, g2Names("NEG_GAMMA"))}
            calldatacopy(add(pairs, 0x240), pC, 0x40)
${stores(0x280, g2Names("NEG_DELTA"))}

            valid := and(valid, staticcall(gas(), PAIRING, pairs, 0x300, pairs, 0x20))
            // Where a chain has no precompile the call succeeds and returns nothing.
            valid := and(valid, eq(returndatasize(), 0x20))
            valid := and(valid, eq(mload(pairs), 1))
        }
    }
}
`;
}

const NOTICE = "One key, fixed for good. Says whether a proof is valid, and keeps nothing.";
const DEV_KEY_NOTICE =
  "DEVELOPMENT KEY: its secrets are public, anybody can forge proofs. Nothing of value may depend on it.";

function constants(key: VerificationKey): string {
  const groups: [string, [string, bigint][]][] = [
    ["Order r of BN254's groups: public signals are below it.", [["SCALAR_FIELD", SCALAR_FIELD]]],
    [
      "Precompiles of EIP-196 and EIP-197.",
      [
        ["EC_ADD", 6n],
        ["EC_MUL", 7n],
        ["PAIRING", 8n],
      ],
    ],
    [
      "alpha in G1.",
      [
        ["ALPHA_X", key.alpha1.x],
        ["ALPHA_Y", key.alpha1.y],
      ],
    ],
    ["-beta in G2.", g2Constants("NEG_BETA", G2.negate(key.beta2))],
    ["-gamma in G2.", g2Constants("NEG_GAMMA", G2.negate(key.gamma2))],
    ["-delta in G2.", g2Constants("NEG_DELTA", G2.negate(key.delta2))],
    ...key.ic.map((point, i): [string, [string, bigint][]] => [
      i === 0 ? "The constant's point." : `The point of public signal ${i - 1}.`,
      [
        [`IC${i}_X`, point.x],
        [`IC${i}_Y`, point.y],
      ],
    ]),
  ];
  const lines = groups.flatMap(([meaning, values]) => [
    `    // ${meaning}`,
    ...values.map(([name, value]) => `    uint256 private constant ${name} = ${literal(value)};`),
  ]);
  return lines.join("\n");
}

/** Names of a G2 point's words in the order of EIP-197, which is that of their values below. */
function g2Names(prefix: string): string[] {
  return ["X_IMAGINARY", "X_REAL", "Y_IMAGINARY", "Y_REAL"].map((part) => `${prefix}_${part}`);
}

function g2Constants(prefix: string, point: G2Point): [string, bigint][] {
  const imaginaryFirst = ([real, imaginary]: Fq2): bigint[] => [imaginary, real];
  const values = [...imaginaryFirst(point.x), ...imaginaryFirst(point.y)];
  return g2Names(prefix).map((name, i) => [name, values[i] as bigint]);
}

function stores(offset: number, names: readonly string[]): string {
  const lines = names.map((name, i) => {
    const at = (offset + 32 * i).toString(16);
    return `            mstore(add(pairs, 0x${at}), ${name})`;
  });
  return lines.join("\n");
}

/** Small numbers in decimal, the rest in hexadecimal with all 64 digits. */
function literal(value: bigint): string {
  return value < 10n ? String(value) : `0x${value.toString(16).padStart(64, "0")}`;
}

function word(index: number): string {
  return `0x${(32 * index).toString(16).padStart(2, "0")}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
