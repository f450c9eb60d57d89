// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "at-least-constant.circom";

// ChallengeBits(): the low 254 bits of k = challenge + 11 order, whose bit 254 is always 1.
//
//   in   challenge  field  untrusted; read as the integer in 0 … r - 1
//   out  bits[254]  bool   hints, pinned here, low bit first
//
// order is the prime order of BabyJubJub's subgroup, so k P = challenge P for every P of that order.
// 11 order > 2^254 and 11 order + r <= 2^255 give k its fixed top bit, which VariableBaseMultiplication needs.
//
//   sound because     let e be the integer of the bits and offset = 11 order - 2^254. The sum says that
//                     e = challenge + offset modulo r, and the two comparisons hold e to offset … offset + r - 1:
//                     only the canonical challenge is left, not challenge + r and not challenge - r
//   complete because  offset + r - 1 < 2^254
//   unsound if        a comparison is left out: r is no multiple of order, so an alias is another scalar
template ChallengeBits() {
    signal input challenge;
    signal output bits[254];

    var order = 2736030358979909402780800718157159386076813972158567259200215660948447373041;
    // Both written out, because circom has no integers above r (its 1 << 254 is 0); checked modulo r.
    var offset = 1148311639449954574696061647556776283527457527334098841337976268454638693467; // 11 order - 2^254
    var beyond = 5911467798039819058950278859357925591241674238660007824828215546947835220900; // 2^254 - offset - r
    assert(offset == 11 * order - 2 * (1 << 253));
    assert(beyond == 2 * (1 << 253) - offset);
    var mask = (1 << 128) - 1;
    // in halves, because the sum may exceed r
    var low = (challenge & mask) + (offset & mask);
    var high = (challenge >> 128) + (offset >> 128) + (low >> 128);

    var sum = 0;
    var complement[254];
    for (var i = 0; i < 254; i++) {
        bits[i] <-- i < 128 ? (low >> i) & 1 : (high >> (i - 128)) & 1;
        // pinned by: boolean, the weighted sum and the two comparisons below
        bits[i] * (bits[i] - 1) === 0;
        sum += bits[i] * (1 << i);
        complement[i] = 1 - bits[i];
    }
    sum === challenge + offset;
    AtLeastConstant(254, offset)(bits);
    AtLeastConstant(254, beyond)(complement); // 2^254 - 1 - e >= 2^254 - offset - r: e <= offset + r - 1
}
