// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// Select(nBits): out = in[index].
//
//   param  nBits         width of the index, at least 1
//   in     in[2^nBits]   field  untrusted
//   in     index[nBits]  bool   trusted: boolean by the caller, low bit first
//   out    out           field  determined
//
//   sound because  each product halves the candidates: low + bit (high - low) is one of the two for a boolean bit
//   unsound if     an index bit is not boolean
//   cost           2^nBits - 1, one product for each wire of `halves`
template Select(nBits) {
    assert(nBits >= 1);
    var n = 2 ** nBits;
    signal input in[n];
    signal input index[nBits];
    signal output out;

    signal halves[n - 1];
    var candidates[n] = in;
    var next = 0;
    for (var b = 0; b < nBits; b++) {
        for (var i = 0; i < n >> (b + 1); i++) {
            halves[next] <== candidates[2 * i] + index[b] * (candidates[2 * i + 1] - candidates[2 * i]);
            candidates[i] = halves[next];
            next++;
        }
    }
    out <== candidates[0];
}
