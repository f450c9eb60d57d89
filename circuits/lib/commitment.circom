// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

// Commitment(n, tag): h of the published data: c = tag, then c = Poseidon(16)(c, next 15 elements) with the last chunk
// padded with zeros; h is the last c.
//
//   param  n     number of elements, at least 1
//   param  tag   version and dimensions of the circuit, see BatchTransfer
//   in     d[n]  field  untrusted
//   out    out   field  determined
//
//   sound because  n is fixed, so the padding is no ambiguity: two vectors with one h are a collision of
//                  Poseidon(16)
//   unsound if     the challenge z is not derived from h (the contract does it), see Evaluation
template Commitment(n, tag) {
    assert(n >= 1);
    signal input d[n];
    signal output out;

    var chunks = (n + 14) \ 15;
    signal chain[chunks + 1];
    chain[0] <== tag;
    for (var k = 0; k < chunks; k++) {
        var inputs[16]; // zeros
        inputs[0] = chain[k];
        for (var i = 0; i < 15; i++) {
            if (15 * k + i < n) {
                inputs[i + 1] = d[15 * k + i];
            }
        }
        chain[k + 1] <== Poseidon(16)(inputs);
    }
    out <== chain[chunks];
}
