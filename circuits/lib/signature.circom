// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/babyjub.circom";
include "circomlib/circuits/poseidon.circom";
include "challenge-bits.circom";
include "eight-times-key.circom";
include "fixed-base-multiplication.circom";
include "subgroup-scalar.circom";
include "variable-base-multiplication.circom";

// Signature(): where enabled, S B = R8 + h (8 A) with h = Poseidon(R8, A, message): EdDSA-Poseidon on BabyJubJub,
// as circomlib and @zk-kit/eddsa-poseidon sign.
//
//   in   enabled  bool   trusted: boolean by the caller; 0 lifts the equation, not the checks of S, R8 and A
//   in   key[2]   point  untrusted: on the curve and not of small order, checked here in every slot
//   in   s        field  untrusted: below the subgroup's order, checked here in every slot
//   in   r8[2]    point  untrusted: on the curve, checked here in every slot; of any order
//   in   message  field  trusted: what the caller wants signed
//
//   sound because  the bits of S and of h stand for the integers S < order and h < r (SubgroupScalar,
//                  ChallengeBits), both products are exact (8 A has exactly the prime order), and R8 + h (8 A) is a
//                  complete addition on the curve. A small-order key would accept (S, R8) = (0, -h 8 A = identity)
//                  for every message: refused
//   unsound if     the caller does not bind key and message, or enabled is not boolean
//
// An R8 outside the subgroup can never satisfy the equation: S B and h (8 A) are both inside.
template Signature() {
    signal input enabled;
    signal input key[2];
    signal input s;
    signal input r8[2];
    signal input message;

    BabyCheck()(r8[0], r8[1]);
    signal key8Montgomery[2];
    signal key8Edwards[2];
    (key8Montgomery, key8Edwards) <== EightTimesKey()(key);

    signal challenge <== Poseidon(5)([r8[0], r8[1], key[0], key[1], message]);
    signal challengeTimesKey[2] <== VariableBaseMultiplication()(ChallengeBits()(challenge),
        key8Montgomery, key8Edwards);
    signal right[2];
    (right[0], right[1]) <== BabyAdd()(r8[0], r8[1], challengeTimesKey[0], challengeTimesKey[1]);
    signal left[2] <== FixedBaseMultiplication()(SubgroupScalar()(s));
    enabled * (left[0] - right[0]) === 0;
    enabled * (left[1] - right[1]) === 0;
}
