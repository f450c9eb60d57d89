// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "demultiplex.circom";
include "node-update.circom";
include "select.circom";

// PathUpdate(levels, top): replaces oldLeaf by newLeaf at `index` of a quaternary tree of 4^levels leaves.
//
// The tree is carried as the 4^top nodes that lie `top` levels below its root, so that the levels above them are
// hashed once a batch (TopRoot) and not once an update.
//
//   param  levels, top          1 <= top < levels <= 16
//   in     index[2 levels]      bool   trusted: boolean by the caller, low bit first: the bits of the signed,
//                                      published index
//   in     siblings[low][3]     field  untrusted: bound by the comparison with the old node; low = levels - top,
//                                      from the leaf up
//   in     oldLeaf, newLeaf     field  untrusted: oldLeaf is bound here, newLeaf is the caller's rule
//   in     in[4^top]            field  trusted: bound to the previous root, or the result of the previous update
//   out    out[4^top]           field  determined: `in` with one node replaced
//
//   sound because  the old path must end in the node of `in` that the high index bits select. By collision
//                  resistance this fixes oldLeaf and all siblings, and the depth is fixed, so oldLeaf is the leaf
//                  at `index`. The new path uses the same siblings and the same index bits, so every other leaf
//                  keeps its value. The vector binds like the root: TopRoot is collision resistant
//   unsound if     an index bit is not boolean, or `in` is not bound
//
// Why nothing is switched off for an unused slot: such a slot opens index 0 and passes newLeaf = oldLeaf. Index 0
// can always be opened, so the check needs no enabling bit, and a check without a switch cannot be switched off by
// mistake.
template PathUpdate(levels, top) {
    assert(top >= 1);
    assert(top < levels);
    assert(levels <= 16);
    var low = levels - top;
    var width = 4 ** top;
    signal input index[2 * levels];
    signal input siblings[low][3];
    signal input oldLeaf;
    signal input newLeaf;
    signal input in[width];
    signal output out[width];

    signal oldNodes[low + 1];
    signal newNodes[low + 1];
    oldNodes[0] <== oldLeaf;
    newNodes[0] <== newLeaf;
    for (var i = 0; i < low; i++) {
        (oldNodes[i + 1], newNodes[i + 1]) <== NodeUpdate()(oldNodes[i], newNodes[i], siblings[i],
            [index[2 * i], index[2 * i + 1]]);
    }

    signal topIndex[2 * top];
    for (var i = 0; i < 2 * top; i++) {
        topIndex[i] <== index[2 * low + i];
    }
    signal expected <== Select(2 * top)(in, topIndex);
    expected === oldNodes[low];

    signal change[width] <== Demultiplex(2 * top)(newNodes[low] - oldNodes[low], topIndex);
    for (var i = 0; i < width; i++) {
        out[i] <== in[i] + change[i];
    }
}
