// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/babyjub.circom";
include "circomlib/circuits/montgomery.circom";
include "double-and-add.circom";

// VariableBaseMultiplication(): k P for k = 2^254 + sum of bits[i] 2^i.
//
//   in   bits[254]      bool   trusted: boolean by the caller, low bit first
//   in   montgomery[2]  point  trusted: P, of exactly the subgroup's prime order
//   in   edwards[2]     point  trusted: the same P
//   out  out[2]         point  determined: k P in twisted Edwards form
//
// Signed binary digits, no zeros among them: with k' = k + (1 - bits[0]), which is odd, k' = sum of digit[i] 2^i
// for i = 0 … 254, where digit[254] = 1 and digit[i] = 2 bit[i + 1] - 1. bit[254] = 1 gives digit[253] = 1 too:
// start at 3 P. (k' differs from k in the lowest bit only, which no digit reads: made odd by setting it, undone at
// the end.)
//
//   sound because  after digit i the running multiple is floor(k' / 2^i) with its lowest bit set: at least 3 and
//                  below 2^(255 - i). Down to digit 5 it stays below 2^250 < order, so DoubleAndAdd's demand 2 m +
//                  1 < order holds at each of these 248 steps. The last five digits and the correction use the
//                  complete Edwards addition: the curve's a is a square and its d is not, so no denominator is ever
//                  0 for points of the curve
//   unsound if     P has another order, or a bit is not boolean
template VariableBaseMultiplication() {
    var incompleteSteps = 248; // digits 252 … 5
    var completeSteps = 5; //     digits 4 … 0
    signal input bits[254];
    signal input montgomery[2];
    signal input edwards[2];
    signal output out[2];

    signal two[2] <== MontgomeryDouble()(montgomery);
    signal running[incompleteSteps + 1][2];
    running[0] <== MontgomeryAdd()(two, montgomery);
    for (var i = 0; i < incompleteSteps; i++) {
        running[i + 1] <== DoubleAndAdd()(running[i], montgomery, bits[253 - i]);
    }

    signal sums[completeSteps + 1][2];
    signal doubles[completeSteps][2];
    sums[0] <== Montgomery2Edwards()(running[incompleteSteps]);
    for (var i = 0; i < completeSteps; i++) {
        (doubles[i][0], doubles[i][1]) <== BabyDbl()(sums[i][0], sums[i][1]);
        // -P = (-x, y)
        (sums[i + 1][0], sums[i + 1][1]) <== BabyAdd()(doubles[i][0], doubles[i][1],
            (2 * bits[completeSteps - i] - 1) * edwards[0], edwards[1]);
    }
    // k even: one P too many, add -P; k odd: add the identity (0, 1)
    (out[0], out[1]) <== BabyAdd()(sums[completeSteps][0], sums[completeSteps][1],
        (bits[0] - 1) * edwards[0], edwards[1] + bits[0] * (1 - edwards[1]));
}
