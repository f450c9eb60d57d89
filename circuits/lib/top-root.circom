// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

// TopRoot(top): the root above the 4^top nodes that lie `top` levels below it.
//
//   param  top        levels hashed, at least 1
//   in     in[4^top]  field  untrusted: bound by what the caller compares `out` with
//   out    out        field  determined
//
//   sound because  Poseidon(4) is collision resistant: a root stands for one vector of nodes
//   unsound if     nothing is compared with `out`
template TopRoot(top) {
    assert(top >= 1);
    var width = 4 ** top;
    signal input in[width];
    signal output out;

    // level by level, the root last: width + width / 4 + … + 1 nodes
    var count = (4 * width - 1) \ 3;
    signal nodes[count];
    for (var i = 0; i < width; i++) {
        nodes[i] <== in[i];
    }
    for (var i = 0; width + i < count; i++) {
        nodes[width + i] <== Poseidon(4)([nodes[4 * i], nodes[4 * i + 1], nodes[4 * i + 2], nodes[4 * i + 3]]);
    }
    out <== nodes[count - 1];
}
