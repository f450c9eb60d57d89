// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/bitify.circom";
include "select.circom";

// AtLeastConstant(nBits, c): refuses a < c for the integer a = sum of bits[i] 2^i.
//
//   param  nBits        1 … 254
//   param  c            1 … 2^nBits - 1, and c < r - 2^16
//   in     bits[nBits]  bool  trusted: boolean by the caller, low bit first
//
// Write a >> s for the integer without its s low bits, and let D(s) = (a >> s) - ((c - 1) >> s), which is linear in
// the bits. The prover names a multiple s of 16, and D(s) must lie in 1 … 2^16.
//
//   sound because     D(s) >= 1 means (a >> s) > ((c - 1) >> s), so a > c - 1. In the field, D(s) is known modulo r
//                     only: D(s) = v + k r with v in 1 … 2^16. k < 0 would need D(s) <= 2^16 - r, but
//                     D(s) >= -((c - 1) >> s) > 2^16 - r because c < r - 2^16. k > 0 gives D(s) >= 1 all the same
//   complete because  for a >= c take the largest s at which a >> s and (c - 1) >> s differ: they agree above these
//                     16 bits, so D(s) is the difference of two 16-bit numbers, and positive
//   unsound if        a bit is not boolean, or c >= r - 2^16
//   cost              35 for 254 bits: 4 bits of s, 15 products to select, 16 bits of D(s). (A run-by-run
//                     comparison takes about 64, a range check of the difference 254.)
//
// s need not be unique: each choice that satisfies the constraints proves the same fact.
template AtLeastConstant(nBits, c) {
    assert(nBits >= 1);
    assert(nBits <= 254);
    assert(c != 0);
    assert((c >> nBits) == 0);
    // c < r - 2^16, in shifts: circom's < takes elements above r / 2 for negative numbers
    assert(((c + (1 << 16)) >> 16) != 0);
    var chunkBits = 16;
    var chunks = (nBits + chunkBits - 1) \ chunkBits;
    var indexBits = 1;
    while (2 ** indexBits < chunks) {
        indexBits++;
    }
    signal input bits[nBits];

    // Places above the last chunk repeat the comparison of the whole numbers, s = 0
    var differences[2 ** indexBits];
    for (var k = 0; k < 2 ** indexBits; k++) {
        var s = k < chunks ? chunkBits * k : 0;
        var a = 0;
        for (var i = s; i < nBits; i++) {
            a += bits[i] * (1 << (i - s));
        }
        differences[k] = a - ((c - 1) >> s);
    }

    // the hint: from above, the first chunk in which a and c - 1 differ
    var first = 0;
    var found = 0;
    for (var k = chunks - 1; k >= 0; k--) {
        if (found == 0 && differences[k] != 0) {
            first = k;
            found = 1;
        }
    }
    signal index[indexBits];
    for (var i = 0; i < indexBits; i++) {
        index[i] <-- (first >> i) & 1;
        // pinned by: boolean; the prover may choose any s, see above
        index[i] * (index[i] - 1) === 0;
    }
    signal difference <== Select(indexBits)(differences, index);
    signal differenceBits[chunkBits] <== Num2Bits(chunkBits)(difference - 1);
}
