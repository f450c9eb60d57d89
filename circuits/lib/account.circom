// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

// PkHash(): out = Poseidon(ax, ay, owner), what a leaf stores of its key and its owner.
//
//   in   ax, ay  field  untrusted: nobody checks here that they are a point; only a signature needs one
//   in   owner   field  untrusted: the account's L1 address; bound to the contract's by d, to the leaf's by this
//                       hash
//   out  out     field  determined
//
//   sound because  Poseidon is collision resistant: one hash stands for one key under one owner. Computed here from
//                  elements that the contract supplies, it can neither be chosen freely nor name another's key
//   unsound if     a caller takes pkHash from the witness without a path that leads to it
template PkHash() {
    signal input ax;
    signal input ay;
    signal input owner;
    signal output out;

    out <== Poseidon(3)([ax, ay, owner]);
}

// Leaf(): out = Poseidon(pkHash, balance, nonce). The empty leaf is Poseidon(0, 0, 0).
//
//   in   pkHash   field  untrusted: bound by the path of this leaf
//   in   balance  field  untrusted: bound by the path; every leaf that a batch wrote holds a uint{64} (see the
//                        slots)
//   in   nonce    field  untrusted: bound by the path
//   out  out      field  determined
//
//   sound because  Poseidon is collision resistant, and a leaf hashes three elements where a node hashes four: with
//                  another width the permutation differs, so no interior node can be passed off as a leaf
//   unsound if     the depth of a path were not fixed by the template that verifies it
template Leaf() {
    signal input pkHash;
    signal input balance;
    signal input nonce;
    signal output out;

    out <== Poseidon(3)([pkHash, balance, nonce]);
}
