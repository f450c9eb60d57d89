// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/bitify.circom";
include "circomlib/circuits/poseidon.circom";
include "account.circom";
include "non-zero-if.circom";
include "path-update.circom";
include "signature.circom";

// TransferSlot(levels, top): one signed transfer: type 0 no-op, 1 transfer, 2 exit to L1.
//
//   param  levels, top           as in PathUpdate
//   in     domain                field     trusted: bound by d to chain and contract
//   in     blockNumber           uint{32}  trusted: range-checked by BatchTransfer, bound by d
//   in     tx[6]                 field     untrusted: type, from, to, amount, fee, validUntil; bound by signature
//                                          and d
//   in     key[3]                field     untrusted: ax, ay, owner of the sender; bound by the sender's leaf
//   in     signature[3]          field     untrusted: S, R8x, R8y
//   in     sender[2]             field     untrusted: balance, nonce; bound by the sender's path
//   in     senderSiblings[][3]   field     untrusted: bound by the sender's path
//   in     receiver[3]           field     untrusted: pkHash, balance, nonce after the sender's update; bound by
//                                          the receiver's path
//   in     receiverSiblings[][3] field     untrusted: bound by the receiver's path
//   in     in[4^top]             field     trusted: see PathUpdate
//   out    out[4^top]            field     determined
//   out    record                uint{168} determined: type 2^160 + from 2^128 + to 2^96 + amount 2^32 + fee
//
//   sound because  every field of the record is range-checked to its width, so the record determines them (from and
//                  to to 2 levels <= 32 bits). The sender's pkHash is computed from the key that signs, and the
//                  path proves it to be the leaf at `from`. The signature covers the record, validUntil, the
//                  receiver's pkHash, the nonce and the domain. Both new balances have 64 bits. The nonce rises by
//                  one, so the signature serves once. The receiver's leaf is opened in the middle state, after the
//                  sender's update: right for from = to as well
//   unsound if     index 0 can hold an account, domain or blockNumber are not bound, or a leaf's balance exceeds 64
//                  bits
//
// No field can wrap: balance < 2^64 in every leaf (each slot that writes one checks it, deposits are bounded by the
// contract), amount < 2^64 and fee < 2^32, so balance - amount - fee > -2^65 and balance + amount < 2^65, far from
// r.
//
// Message = Poseidon(4)(domain, record + validUntil 2^168, recipient, nonce). The packing is injective: record <
// 2^168 by its range checks, and in a used slot validUntil = blockNumber + remaining < 2^33, so the sum is below
// 2^201 < r.
//
// A no-op's record is zero. Then it opens index 0, which is always empty, twice, and changes nothing; its key,
// signature and validUntil say nothing, but must pass the checks that Signature makes in every slot.
template TransferSlot(levels, top) {
    signal input domain;
    signal input blockNumber;
    signal input tx[6];
    signal input key[3];
    signal input signature[3];
    signal input sender[2];
    signal input senderSiblings[levels - top][3];
    signal input receiver[3];
    signal input receiverSiblings[levels - top][3];
    signal input in[4 ** top];
    signal output out[4 ** top];
    signal output record;

    signal type <== tx[0];
    signal from <== tx[1];
    signal to <== tx[2];
    signal amount <== tx[3];
    signal fee <== tx[4];
    signal validUntil <== tx[5];
    signal senderBalance <== sender[0];
    signal senderNonce <== sender[1];
    signal receiverPkHash <== receiver[0];
    signal receiverBalance <== receiver[1];
    signal receiverNonce <== receiver[2];

    signal isType[2] <== Num2Bits(2)(type);
    isType[0] * isType[1] === 0;
    signal isUsed <== isType[0] + isType[1];
    signal fromBits[2 * levels] <== Num2Bits(2 * levels)(from);
    signal toBits[2 * levels] <== Num2Bits(2 * levels)(to);
    signal amountBits[64] <== Num2Bits(64)(amount);
    signal feeBits[32] <== Num2Bits(32)(fee);
    record <== type * (1 << 160) + from * (1 << 128) + to * (1 << 96) + amount * (1 << 32) + fee;
    (1 - isUsed) * record === 0;

    // blockNumber <= validUntil < blockNumber + 2^32
    signal remaining <== isUsed * (validUntil - blockNumber);
    signal remainingBits[32] <== Num2Bits(32)(remaining);

    signal message <== Poseidon(4)([domain, record + validUntil * (1 << 168), receiverPkHash, senderNonce]);
    Signature()(isUsed, [key[0], key[1]], signature[0], [signature[1], signature[2]], message);

    // the sender: in an unused slot its pkHash is 0, as index 0 demands
    signal pkHash <== PkHash()(key[0], key[1], key[2]);
    signal senderPkHash <== isUsed * pkHash;
    signal newSenderBalance <== senderBalance - amount - fee;
    signal newSenderBits[64] <== Num2Bits(64)(newSenderBalance);
    signal middle[4 ** top] <== PathUpdate(levels, top)(fromBits, senderSiblings,
        Leaf()(senderPkHash, senderBalance, senderNonce),
        Leaf()(senderPkHash, newSenderBalance, senderNonce + isUsed), in);

    // the receiver exists; an exit's payee too, whose leaf is opened and left as it is
    NonZeroIf()(isUsed, receiverPkHash);
    signal newReceiverBalance <== receiverBalance + isType[0] * amount;
    signal newReceiverBits[64] <== Num2Bits(64)(newReceiverBalance);
    out <== PathUpdate(levels, top)(toBits, receiverSiblings,
        Leaf()(receiverPkHash, receiverBalance, receiverNonce),
        Leaf()(receiverPkHash, newReceiverBalance, receiverNonce), middle);
}
