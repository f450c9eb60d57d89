// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/bitify.circom";
include "account.circom";
include "non-zero-if.circom";
include "path-update.circom";

// FeeSlot(levels, top): the one credit of all fees of a batch.
//
//   param  levels, top       as in PathUpdate
//   in     index             field     untrusted here, bound by d: the operator's choice, which the contract
//                                      authorises
//   in     total             uint{63}  trusted: sum of fewer than 2^31 fees of 32 bits each
//   in     leaf[3]           field     untrusted: pkHash, balance, nonce; bound by the path
//   in     siblings[low][3]  field     untrusted: bound by the path
//   in     in[4^top]         field     trusted: see PathUpdate
//   out    out[4^top]        field     determined
//
//   sound because  the leaf at `index` is opened, has a pkHash unless there is nothing to credit, and keeps key and
//                  nonce; the new balance has 64 bits
//   unsound if     total can wrap
//
// With total 0 an empty leaf may be named: it is left as it is.
template FeeSlot(levels, top) {
    signal input index;
    signal input total;
    signal input leaf[3];
    signal input siblings[levels - top][3];
    signal input in[4 ** top];
    signal output out[4 ** top];

    signal indexBits[2 * levels] <== Num2Bits(2 * levels)(index);
    NonZeroIf()(total, leaf[0]);
    signal newBalance <== leaf[1] + total;
    signal newBalanceBits[64] <== Num2Bits(64)(newBalance);
    out <== PathUpdate(levels, top)(indexBits, siblings, Leaf()(leaf[0], leaf[1], leaf[2]),
        Leaf()(leaf[0], newBalance, leaf[2]), in);
}
