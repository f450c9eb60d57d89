// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/babyjub.circom";
include "circomlib/circuits/montgomery.circom";

// EightTimesKey(): 8 A, refusing every A that is not on the curve and every A of order 1, 2, 4 or 8.
//
//   in   key[2]         point  untrusted: BabyJubJub in twisted Edwards form
//   out  montgomery[2]  point  determined: 8 A in Montgomery form
//   out  edwards[2]     point  determined: 8 A in twisted Edwards form, of exactly the subgroup's prime order
//
// No addition here is complete, and each exception is a refusal:
//   sound because  x != 0 excludes (0, 1) and (0, -1), the only points with x = 0. Every other point of the curve has
//                  y != 1, so (u, v) = ((1 + y) / (1 - y), u / x) is unique, and y != -1, so u != 0 and v != 0.
//                  Doubling divides by 2 v. The only Montgomery point with v = 0 is (0, 0), of order 2: the other
//                  factor u^2 + A u + 1 has no root, because A^2 - 4 = 168700 · 168696 is no square. There the
//                  numerator 3 u^2 + 2 A u + 1 is 1, so the constraint reads 0 = 1. A point of order 4 is (0, 0) after
//                  one doubling, one of order 8 after two, and the next doubling refuses. What is left has 8 A of
//                  prime order: it is not the identity, and v != 0.
//                  Back in Edwards form u / v and (u - 1) / (u + 1) are unique: v != 0, and u = -1 is the abscissa
//                  of no point (it would need v^2 = 168696, which is no square)
//   unsound if     the curve check were left out: the Montgomery formulas hold on this curve only
//
// An unused transfer slot needs a key that passes, too: the builder puts the generator there.
template EightTimesKey() {
    signal input key[2];
    signal output montgomery[2];
    signal output edwards[2];

    BabyCheck()(key[0], key[1]);
    signal inverse <-- 1 / key[0];
    // pinned by:
    inverse * key[0] === 1;

    signal one[2] <== Edwards2Montgomery()(key);
    signal two[2] <== MontgomeryDouble()(one);
    signal four[2] <== MontgomeryDouble()(two);
    montgomery <== MontgomeryDouble()(four);
    edwards <== Montgomery2Edwards()(montgomery);
}
