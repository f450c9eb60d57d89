// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// SubgroupScalar(): scalar = sum of bits[i] 2^i for i < 250, plus bits[250] (order - 2^250).
//
//   in   scalar     field  untrusted
//   out  bits[251]  bool   hints, pinned here
//
// order is the prime order of BabyJubJub's subgroup, 2^250 < order < 2^251.
//
//   sound because     with boolean bits the sum is an integer in 0 … (2^250 - 1) + (order - 2^250) = order - 1 < r,
//                     so the field equation is one of integers: scalar < order, with no comparison
//   complete because  a scalar below 2^250 needs no top bit, and scalar - (order - 2^250) is in 0 … 2^250 - 1 for
//                     the rest
//   unsound if        a reader takes bits[250] for 2^250: its weight is order - 2^250, which is -2^250 modulo the
//                     order
//
// Scalars from order - 2^250 to 2^250 - 1 have two representations. Both stand for the same integer, so nothing
// that is computed from the weighted sum can tell them apart.
template SubgroupScalar() {
    signal input scalar;
    signal output bits[251];

    var order = 2736030358979909402780800718157159386076813972158567259200215660948447373041;
    var topWeight = order - (1 << 250);
    var isTop = (scalar >> 250) != 0;
    var rest = isTop ? scalar - topWeight : scalar;
    var sum = 0;
    for (var i = 0; i < 250; i++) {
        bits[i] <-- (rest >> i) & 1;
        // pinned by: boolean, and the weighted sum below
        bits[i] * (bits[i] - 1) === 0;
        sum += bits[i] * (1 << i);
    }
    bits[250] <-- isTop;
    // pinned by: boolean, and the weighted sum
    bits[250] * (bits[250] - 1) === 0;
    sum + bits[250] * topWeight === scalar;
}
