// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/bitify.circom";
include "account.circom";
include "path-update.circom";

// L1Slot(levels, top): one entry of the contract's queue: kind 0 empty, 1 deposit, 2 forced full exit.
//
//   param  levels, top       as in PathUpdate
//   in     item[6]           field  untrusted here, bound by d to the contract's queue: kind, index, amount, ax,
//                                   ay, owner
//   in     oldLeaf[3]        field  untrusted: pkHash, balance, nonce; bound by the path
//   in     siblings[low][3]  field  untrusted: bound by the path
//   in     in[4^top]         field  trusted: see PathUpdate
//   out    out[4^top]        field  determined
//   out    packed            field  determined: kind 2^96 + index 2^64 + amount
//
//   sound because  kind, index and amount have 2, 2 levels and 64 bits, so `packed` determines them. An empty slot
//                  is all zero, opens index 0, which is always the empty leaf, and leaves it. Otherwise the leaf is
//                  either empty and takes the computed pkHash, or has it already: key and owner never change. A
//                  forced exit takes exactly the balance, and raises the nonce so that no transfer that is still
//                  around can run after a later deposit
//   unsound if     d does not bind item, or the contract queues index 0, or lets deposits add up to 2^64 or more
//
// Every item that the contract can queue must be satisfiable, or anybody could halt the rollup. It queues
// 0 < index < 4^levels, always with the one key and owner of that index; ax, ay < r and owner < 2^160; deposits below
// 2^64 in total. So:
//   - no demand on the key (it need not be a point: only a signature needs one);
//   - no range check on balance + amount: the contract's bound on the total holds it below 2^64, and a check could
//     only halt;
//   - a forced exit of an account without a leaf is satisfied by amount 0 and writes (pkHash, 0, 1): for kind 2 the
//     nonce rises by one whatever the leaf was;
//   - the amount of a forced exit is the committer's claim, and there is always exactly one that satisfies.
template L1Slot(levels, top) {
    signal input item[6];
    signal input oldLeaf[3];
    signal input siblings[levels - top][3];
    signal input in[4 ** top];
    signal output out[4 ** top];
    signal output packed;

    signal kind <== item[0];
    signal index <== item[1];
    signal amount <== item[2];
    signal oldPkHash <== oldLeaf[0];
    signal oldBalance <== oldLeaf[1];
    signal oldNonce <== oldLeaf[2];

    signal isKind[2] <== Num2Bits(2)(kind);
    isKind[0] * isKind[1] === 0;
    signal isUsed <== isKind[0] + isKind[1];
    signal indexBits[2 * levels] <== Num2Bits(2 * levels)(index);
    signal amountBits[64] <== Num2Bits(64)(amount);
    packed <== kind * (1 << 96) + index * (1 << 64) + amount;

    // an empty slot is all zero
    (1 - isUsed) * packed === 0;
    for (var i = 3; i < 6; i++) {
        (1 - isUsed) * item[i] === 0;
    }

    // an empty leaf takes the key, any other has it; in an empty slot this reads oldPkHash^2 = 0
    signal pkHash <== PkHash()(item[3], item[4], item[5]);
    signal newPkHash <== isUsed * pkHash;
    oldPkHash * (oldPkHash - newPkHash) === 0;

    // a forced exit takes everything
    isKind[1] * (oldBalance - amount) === 0;
    signal newBalance <== oldBalance + (isKind[0] - isKind[1]) * amount;

    out <== PathUpdate(levels, top)(indexBits, siblings, Leaf()(oldPkHash, oldBalance, oldNonce),
        Leaf()(newPkHash, newBalance, oldNonce + isKind[1]), in);
}
