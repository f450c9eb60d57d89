// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";
include "poseidon-after-first-layer.circom";

// PlaceAmongFour(): the four values of a quad in their order.
//
//   in   child        field  untrusted: stands at position[0] + 2 position[1]
//   in   siblings[3]  field  untrusted: [0] the other member of the child's pair, [1] and [2] the other pair in
//                            order
//   in   position[2]  bool   trusted: boolean by the caller, low bit first
//   out  out[4]       field  determined
//
//   sound because  for boolean positions the three products permute the four values and nothing else
//   unsound if     a position bit is not boolean
//
//   position (high, low bit)   00: child s0 s1 s2   01: s0 child s1 s2   10: s1 s2 child s0   11: s1 s2 s0 child
template PlaceAmongFour() {
    signal input child;
    signal input siblings[3];
    signal input position[2];
    signal output out[4];

    // within the child's pair
    signal swap <== position[0] * (siblings[0] - child);
    signal left <== child + swap;
    signal right <== siblings[0] - swap;
    // and the other pair before or after it
    signal moveLeft <== position[1] * (siblings[1] - left);
    signal moveRight <== position[1] * (siblings[2] - right);
    out <== [left + moveLeft, right + moveRight, siblings[1] - moveLeft, siblings[2] - moveRight];
}

// NodeUpdate(): a node's hash before and after one of its four children changes: Poseidon(4) of the children,
// twice.
//
//   in   oldChild, newChild  field  untrusted: the caller's, from below; at position[0] + 2 position[1] of four
//   in   siblings[3]         field  untrusted: as in PlaceAmongFour
//   in   position[2]         bool   trusted: boolean by the caller, low bit first
//   out  oldParent           field  determined
//   out  newParent           field  determined
//
//   sound because  Poseidon's first round adds a constant to each input and takes the fifth power of each on its
//                  own. So the fifth power can be taken first and its result be placed, if each value gets the
//                  constant of the place where it will stand: `constants` below, which the position bits select.
//                  Siblings stand at the same places in both hashes, so their fifth powers serve twice. Both
//                  parents equal plain Poseidon(4) of the placed children, hence bind the child together with its
//                  place
//   unsound if     a position bit is not boolean
//   cost           592, where two plain hashes with placed children take 600
template NodeUpdate() {
    signal input oldChild;
    signal input newChild;
    signal input siblings[3];
    signal input position[2];
    signal output oldParent;
    signal output newParent;

    var C[100] = POSEIDON_C(5); // [0] is the capacity's, [1 + place] belongs to one of the four places
    signal low <== position[0];
    signal high <== position[1];
    signal both <== low * high;
    // the constant of the place low + 2 high, and of its neighbour in the pair
    var childConstant = C[1] + low * (C[2] - C[1]) + high * (C[3] - C[1]) + both * (C[4] - C[3] - C[2] + C[1]);
    var neighbourConstant = C[2] + low * (C[1] - C[2]) + high * (C[4] - C[2]) + both * (C[3] - C[4] - C[1] + C[2]);
    // the other pair comes second for high = 0, first for high = 1
    var otherConstants[2] = [C[3] + high * (C[1] - C[3]), C[4] + high * (C[2] - C[4])];

    // Written out and not as circomlib's Sigma: a component's input would be another wire for the same value, and the
    // compiler might keep that one and drop the sibling, which is an input of the circuit.
    var values[5] = [oldChild, newChild, siblings[0], siblings[1], siblings[2]];
    var constants[5] = [childConstant, childConstant, neighbourConstant, otherConstants[0], otherConstants[1]];
    signal squares[5];
    signal fourthPowers[5];
    signal powers[5];
    for (var i = 0; i < 5; i++) {
        squares[i] <== (values[i] + constants[i]) * (values[i] + constants[i]);
        fourthPowers[i] <== squares[i] * squares[i];
        powers[i] <== fourthPowers[i] * (values[i] + constants[i]);
    }

    var capacity = C[0] ** 5;
    signal oldPlaced[4] <== PlaceAmongFour()(powers[0], [powers[2], powers[3], powers[4]], position);
    signal newPlaced[4] <== PlaceAmongFour()(powers[1], [powers[2], powers[3], powers[4]], position);
    oldParent <== PoseidonAfterFirstLayer(4)([capacity, oldPlaced[0], oldPlaced[1], oldPlaced[2], oldPlaced[3]]);
    newParent <== PoseidonAfterFirstLayer(4)([capacity, newPlaced[0], newPlaced[1], newPlaced[2], newPlaced[3]]);
}
