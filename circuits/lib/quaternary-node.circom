// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

// QuaternaryNode(): the parent of `child`, which stands at position position[0] + 2 position[1] of four.
//
//   in   child        field    untrusted: the caller's, from below
//   in   siblings[3]  field    untrusted: [0] the other member of the child's pair, [1] and [2] the other pair in order
//   in   position[2]  bool     trusted: boolean by the caller, low bit first
//   out  out          field    determined: Poseidon of the four children in their order
//
//   sound because  for boolean positions the three products permute the four values and nothing else, so a parent binds
//                  the child together with its place
//   unsound if     a position bit is not boolean
//
//      position   00: child s0 s1 s2    01: s0 child s1 s2    10: s1 s2 child s0    11: s1 s2 s0 child   (high, low bit)
template QuaternaryNode() {
    signal input child;
    signal input siblings[3];
    signal input position[2];
    signal output out;

    // within the child's pair
    signal swap <== position[0] * (siblings[0] - child);
    signal left <== child + swap;
    signal right <== siblings[0] - swap;
    // the pair before or after the other one
    signal moveLeft <== position[1] * (siblings[1] - left);
    signal moveRight <== position[1] * (siblings[2] - right);
    out <== Poseidon(4)([left + moveLeft, right + moveRight, siblings[1] - moveLeft, siblings[2] - moveRight]);
}
