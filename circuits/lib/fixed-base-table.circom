// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// Constants of FixedBaseMultiplication, computed by the compiler. B is the generator of BabyJubJub's prime-order
// subgroup that EdDSA uses ("Base8").

function edwardsGenerator() {
    return [5299619240641551281634865583518297030282874472190772894086521144482721001553,
            16950150798460657717958625567821834550301663161624707787222815936182638968203];
}

// p + q on a x^2 + y^2 = 1 + d x^2 y^2
function edwardsSum(p, q) {
    var a = 168700;
    var d = 168696;
    var t = d * p[0] * q[0] * p[1] * q[1];
    return [(p[0] * q[1] + p[1] * q[0]) / (1 + t), (p[1] * q[1] - a * p[0] * q[0]) / (1 - t)];
}

// For points other than (0, 1) and (0, -1)
function edwardsToMontgomery(p) {
    var u = (1 + p[1]) / (1 - p[1]);
    return [u, u / p[0]];
}

// Rows 0 … 82, Montgomery form: column i of row j is (i + 8) 8^j B.
// Row 83, Edwards form, columns 0 … 3: (0, D, -2 D, -D) - offset, where D = 8^83 B = 2^249 B and offset, the sum of
// 8 8^j B over rows 0 … 82, takes back what the eights of those rows added. -2 D is (order - 2^250) B.
function fixedBaseTable() {
    var table[84][8][2];
    var base[2] = edwardsGenerator();
    var offset[2] = [0, 1];
    for (var j = 0; j < 83; j++) {
        var multiples[16][2];
        multiples[0] = [0, 1];
        for (var i = 1; i < 16; i++) {
            multiples[i] = edwardsSum(multiples[i - 1], base);
        }
        for (var i = 0; i < 8; i++) {
            table[j][i] = edwardsToMontgomery(multiples[i + 8]);
        }
        offset = edwardsSum(offset, multiples[8]);
        base = multiples[8];
    }
    var minusOffset[2] = [-offset[0], offset[1]];
    var minusBase[2] = [-base[0], base[1]];
    table[83][0] = minusOffset;
    table[83][1] = edwardsSum(minusOffset, base);
    table[83][3] = edwardsSum(minusOffset, minusBase);
    table[83][2] = edwardsSum(table[83][3], minusBase);
    return table;
}
