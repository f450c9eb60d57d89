// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

// Demultiplex(nBits): out[index] = in, every other out[i] = 0.
//
//   param  nBits         width of the index, at least 1
//   in     in            field  untrusted
//   in     index[nBits]  bool   trusted: boolean by the caller, low bit first
//   out    out[2^nBits]  field  determined
//
//   sound because  each node of a binary tree hands its whole value to one of its two children for a boolean bit:
//                  bit value to the right, the rest to the left
//   unsound if     an index bit is not boolean
//   cost           2^nBits - 1, one product for each wire of `right`
template Demultiplex(nBits) {
    assert(nBits >= 1);
    var n = 2 ** nBits;
    signal input in;
    signal input index[nBits];
    signal output out[n];

    signal right[n - 1];
    var values[n];
    values[0] = in;
    var next = 0;
    for (var b = nBits - 1; b >= 0; b--) {
        // from the right, so that no value is overwritten before it was split
        for (var i = (1 << (nBits - 1 - b)) - 1; i >= 0; i--) {
            right[next] <== index[b] * values[i];
            values[2 * i + 1] = right[next];
            values[2 * i] = values[i] - right[next];
            next++;
        }
    }
    for (var i = 0; i < n; i++) {
        out[i] <== values[i];
    }
}
