// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/bitify.circom";
include "commitment.circom";
include "evaluation.circom";
include "fee-slot.circom";
include "l1-slot.circom";
include "top-root.circom";
include "transfer-slot.circom";

// BatchTransfer(nTx, levels, nDeposits, top): newRoot is the state after nDeposits L1 slots, nTx transfer slots and
// one fee credit, in this order, applied to prevRoot; and the published data d is what the contract says.
//
//   param  nTx         transfer slots, 1 … 2^31 - 1
//   param  levels      quaternary levels, 4^levels accounts; top < levels <= 16
//   param  nDeposits   L1 slots, at least 1
//   param  top         levels whose nodes are carried between updates, at least 1: see PathUpdate
//
//   public, in this order (declared as inputs, so the order is theirs)
//   in     prevRoot    field     trusted: the contract's current root
//   in     newRoot     field     untrusted: determined by prevRoot and d
//   in     h           field     untrusted: Commitment of d, determined
//   in     z           field     trusted: the contract's challenge, a hash of its own d and of h
//   in     y           field     untrusted: Evaluation of d at z; the contract compares it with its own
//
//   private, all untrusted
//   in     domain      field     bound by d to the contract's
//   in     blockNumber uint{32}  range-checked here, bound by d
//   in     feeIndex    uint      2 levels bits, range-checked by FeeSlot, bound by d
//   in     topNodes[4^top]       nodes `top` levels below prevRoot
//   in     l1[][6]               kind, index, amount, ax, ay, owner
//   in     l1Leaf[][3]           pkHash, balance, nonce of that index before
//   in     l1Siblings[][low][3]  low = levels - top levels from the leaf up
//   in     tx[][6]               type, from, to, amount, fee, validUntil
//   in     txKey[][3]            ax, ay, owner of the sender
//   in     txSignature[][3]      S, R8x, R8y
//   in     txFrom[][2]           balance, nonce of the sender before
//   in     txFromSiblings[][low][3]
//   in     txTo[][3]             pkHash, balance, nonce of the receiver after the sender's update
//   in     txToSiblings[][low][3]
//   in     feeLeaf[3]            pkHash, balance, nonce of the fee account before the credit
//   in     feeSiblings[low][3]
//
//   sound because  each slot proves its update of the state that the slot before it left; the first is bound to
//                  prevRoot and the last to newRoot by TopRoot. Every element of d is the very wire that the slots
//                  used, and d is bound to the contract's d by Commitment and Evaluation
//   unsound if     the contract takes z, y or prevRoot from the prover, accepts a public signal >= r, or lets
//                  genesis or the queue put an account at index 0
//
// d = domain, blockNumber, feeIndex, for each L1 slot (packed, ax, ay, owner), for each transfer slot its record.
// An invalid batch has no witness: there is no output that says "valid".
template BatchTransfer(nTx, levels, nDeposits, top) {
    assert(nTx >= 1);
    assert(nTx < 1 << 31);
    assert(nDeposits >= 1);
    var low = levels - top;
    var width = 4 ** top;
    var n = 3 + 4 * nDeposits + nTx;
    var version = 1;
    var tag = version * (1 << 96) + nTx * (1 << 64) + levels * (1 << 32) + nDeposits;

    signal input prevRoot;
    signal input newRoot;
    signal input h;
    signal input z;
    signal input y;

    signal input domain;
    signal input blockNumber;
    signal input feeIndex;
    signal input topNodes[width];
    signal input l1[nDeposits][6];
    signal input l1Leaf[nDeposits][3];
    signal input l1Siblings[nDeposits][low][3];
    signal input tx[nTx][6];
    signal input txKey[nTx][3];
    signal input txSignature[nTx][3];
    signal input txFrom[nTx][2];
    signal input txFromSiblings[nTx][low][3];
    signal input txTo[nTx][3];
    signal input txToSiblings[nTx][low][3];
    signal input feeLeaf[3];
    signal input feeSiblings[low][3];

    signal blockBits[32] <== Num2Bits(32)(blockNumber);
    signal d[n];
    d[0] <== domain;
    d[1] <== blockNumber;
    d[2] <== feeIndex;

    // states[i]: the carried nodes before slot i
    signal states[nDeposits + nTx + 1][width];
    states[0] <== topNodes;
    signal rootBefore <== TopRoot(top)(topNodes);
    rootBefore === prevRoot;

    for (var i = 0; i < nDeposits; i++) {
        (states[i + 1], d[3 + 4 * i]) <== L1Slot(levels, top)(l1[i], l1Leaf[i], l1Siblings[i], states[i]);
        d[4 + 4 * i] <== l1[i][3];
        d[5 + 4 * i] <== l1[i][4];
        d[6 + 4 * i] <== l1[i][5];
    }

    var totalFee = 0;
    for (var i = 0; i < nTx; i++) {
        var s = nDeposits + i;
        (states[s + 1], d[3 + 4 * nDeposits + i]) <== TransferSlot(levels, top)(domain, blockNumber, tx[i], txKey[i],
            txSignature[i], txFrom[i], txFromSiblings[i], txTo[i], txToSiblings[i], states[s]);
        totalFee += tx[i][4];
    }

    signal last[width] <== FeeSlot(levels, top)(feeIndex, totalFee, feeLeaf, feeSiblings, states[nDeposits + nTx]);
    signal rootAfter <== TopRoot(top)(last);
    rootAfter === newRoot;

    signal commitment <== Commitment(n, tag)(d);
    commitment === h;
    signal evaluation <== Evaluation(n)(d, z);
    evaluation === y;
}
