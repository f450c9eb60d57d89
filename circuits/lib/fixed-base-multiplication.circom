// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/babyjub.circom";
include "circomlib/circuits/montgomery.circom";
include "fixed-base-table.circom";

// ConstantOfEight(table): the point at column bits[0] + 2 bits[1] + 4 bits[2] of a constant table.
//
//   param  table[8][2]  constants
//   in     bits[3]      bool   trusted: boolean by the caller
//   out    out[2]       field  determined
//
//   sound because  for boolean bits the bilinear form in bits[0], bits[1] takes the four values of a half of the
//                  table, and bits[2] picks the half: three products, because the two coordinates share bits[0]
//                  bits[1]
//   unsound if     a bit is not boolean
template ConstantOfEight(table) {
    signal input bits[3];
    signal output out[2];

    signal both <== bits[0] * bits[1];
    for (var c = 0; c < 2; c++) {
        var half[2];
        for (var k = 0; k < 2; k++) {
            var q = 4 * k;
            half[k] = table[q][c]
                + bits[0] * (table[q + 1][c] - table[q][c])
                + bits[1] * (table[q + 2][c] - table[q][c])
                + both * (table[q + 3][c] - table[q + 2][c] - table[q + 1][c] + table[q][c]);
        }
        out[c] <== half[0] + bits[2] * (half[1] - half[0]);
    }
}

// FixedBaseMultiplication(): S B for the bits of SubgroupScalar.
//
//   in   bits[251]  bool   trusted: boolean by the caller; weights 2^0 … 2^249, then order - 2^250
//   out  out[2]     point  determined: S B in twisted Edwards form
//
// 83 windows of three bits (bits 0 … 248) are added in Montgomery form. Window j adds (w + 8) 8^j B, w its three
// bits: the eights make every summand larger than all before it together. The last two bits and minus all the
// eights are one of four constants, added completely.
//
//   sound because  before window j >= 1 the sum is a multiple in 8 … 15 (8^j - 1) / 7, the summand one in 8 8^j …
//                  15 8^j: the two differ, and together they are below 17.2 8^82 < 2^250.2 < order. So their
//                  abscissas differ (m1 = ±m2 modulo order is excluded) and each slope is unique. The last sum lies
//                  between 0 and order, so it is not the identity: v != 0, u != -1, and its Edwards form is unique.
//                  The last addition is the complete one
//   unsound if     a bit is not boolean
template FixedBaseMultiplication() {
    var windows = 83;
    signal input bits[251];
    signal output out[2];

    var table[84][8][2] = fixedBaseTable();
    signal summands[windows][2];
    signal sums[windows][2];
    for (var j = 0; j < windows; j++) {
        summands[j] <== ConstantOfEight(table[j])([bits[3 * j], bits[3 * j + 1], bits[3 * j + 2]]);
        if (j == 0) {
            sums[j] <== summands[j];
        } else {
            sums[j] <== MontgomeryAdd()(sums[j - 1], summands[j]);
        }
    }
    signal sum[2] <== Montgomery2Edwards()(sums[windows - 1]);

    signal both <== bits[249] * bits[250];
    var row[8][2] = table[windows];
    var last[2];
    for (var c = 0; c < 2; c++) {
        last[c] = row[0][c]
            + bits[249] * (row[1][c] - row[0][c])
            + bits[250] * (row[2][c] - row[0][c])
            + both * (row[3][c] - row[2][c] - row[1][c] + row[0][c]);
    }
    (out[0], out[1]) <== BabyAdd()(sum[0], sum[1], last[0], last[1]);
}
