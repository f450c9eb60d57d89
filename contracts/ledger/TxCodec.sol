// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OP_DEPOSIT, OP_FORCED, OP_UNKNOWN} from "./LedgerTypes.sol";

/// @dev keccak256("proofmill.ledger.record.v1"): separates record leaves from every other use of keccak256.
bytes32 constant RECORD_TAG = keccak256("proofmill.ledger.record.v1");

/// @dev EIP-712 type of a signed transfer.
bytes32 constant TRANSFER_TYPEHASH = keccak256(
    "Transfer(uint32 from,uint32 to,address toOwner,uint128 amount,uint64 fee,uint64 nonce,uint64 validUntilBatch)"
);

/// @dev EIP-712 type of a signed exit: the same fields, so a wallet's user reads which of the two it is.
bytes32 constant EXIT_TYPEHASH = keccak256(
    "Exit(uint32 from,uint32 to,address toOwner,uint128 amount,uint64 fee,uint64 nonce,uint64 validUntilBatch)"
);

/// @notice What moves money.
/// @param from Account that pays.
/// @param to Transfer: account that receives. Exit: domain that receives, 0 for L1.
/// @param toOwner Transfer: owner of that account. Exit: who receives there.
/// @param amount In wei.
/// @param fee In wei, on top of the amount.
/// @param nonce The paying account's nonce.
/// @param validUntilBatch The last batch that may contain it.
struct Payment {
    uint32 from;
    uint32 to;
    address toOwner;
    uint128 amount;
    uint64 fee;
    uint64 nonce;
    uint64 validUntilBatch;
}

/// @notice Money from L1.
/// @param depositor Who paid, and who gets it back if the account cannot be credited.
/// @param amount In wei.
/// @param to The account.
/// @param toOwner Its owner.
struct Deposit {
    address depositor;
    uint128 amount;
    uint32 to;
    address toOwner;
}

/// @title Bytes of the ledger's instructions
/// @author Proofmill
/// @notice Every layout in one place; big-endian, packed, of fixed size but for what the queue took unread.
///
/// payment: from u32, to u32, toOwner address, amount u128, fee u64, nonce u64, validUntilBatch u64. 68 bytes.
/// record, in a batch: opcode u8, payment, r, vs (EIP-2098). 133 bytes. Opcodes without signature leave it unread.
/// deposit, in the queue: depositor address, amount u128, to u32, toOwner address. 60 bytes.
/// forced, in the queue: sender address, then what it sent: opcode u8, payment. 20 + 69 bytes if well-formed.
/// input of the VM: batch u64, then a record without its opcode, or the queue's item.
///
/// @dev Fields of a fixed layout have one encoding and every byte string of the right length is one value: what fails
/// to decode fails by its length.
library TxCodec {
    uint256 internal constant PAYMENT_BYTES = 68;
    uint256 internal constant RECORD_BYTES = 133;
    uint256 internal constant DEPOSIT_BYTES = 60;
    uint256 internal constant FORCED_BYTES = 89;
    uint256 internal constant BATCH_BYTES = 8;

    /// @notice EIP-712 domain of a ledger's payments on this chain.
    /// @param rollup The ledger's rollup.
    /// @return separator Hash of the domain.
    function domainSeparator(address rollup) internal view returns (bytes32 separator) {
        return
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("Proofmill Ledger"),
                    keccak256("1"),
                    block.chainid,
                    rollup
                )
            );
    }

    /// @notice Leaf of a record in a batch's tree.
    /// @dev 165 bytes, a node has 64: neither passes for the other. Packed, since both parts have a fixed size.
    /// @param record 133 bytes.
    /// @return leaf Its hash under the tag.
    function recordLeaf(bytes memory record) internal pure returns (bytes32 leaf) {
        return keccak256(bytes.concat(RECORD_TAG, record));
    }

    /// @notice The opcode that a record stands for.
    /// @dev Deposits and forced payments have their authority from the queue. A record that names itself one would be
    /// the sequencer's own word that somebody paid or asked.
    /// @param opcode First byte of the record.
    /// @return admitted The same, or OP_UNKNOWN.
    function recordOpcode(uint8 opcode) internal pure returns (uint8 admitted) {
        return opcode == OP_DEPOSIT || opcode == OP_FORCED ? OP_UNKNOWN : opcode;
    }

    /// @notice EIP-712 hash of the struct that an owner signs.
    /// @param typeHash Transfer or exit.
    /// @param payment What is signed.
    /// @return hash To be joined with the domain.
    function structHash(bytes32 typeHash, Payment memory payment) internal pure returns (bytes32 hash) {
        return
            keccak256(
                abi.encode(
                    typeHash,
                    payment.from,
                    payment.to,
                    payment.toOwner,
                    payment.amount,
                    payment.fee,
                    payment.nonce,
                    payment.validUntilBatch
                )
            );
    }

    /// @notice Pack a payment.
    /// @param payment The payment.
    /// @return packed 68 bytes.
    function encodePayment(Payment memory payment) internal pure returns (bytes memory packed) {
        return
            abi.encodePacked(
                payment.from,
                payment.to,
                payment.toOwner,
                payment.amount,
                payment.fee,
                payment.nonce,
                payment.validUntilBatch
            );
    }

    /// @notice Unpack a payment.
    /// @param packed At least 68 bytes, for the caller to check; what follows is left unread.
    /// @return payment The payment.
    function decodePayment(bytes calldata packed) internal pure returns (Payment memory payment) {
        return
            Payment({
                from: uint32(bytes4(packed[0:4])),
                to: uint32(bytes4(packed[4:8])),
                toOwner: address(bytes20(packed[8:28])),
                amount: uint128(bytes16(packed[28:44])),
                fee: uint64(bytes8(packed[44:52])),
                nonce: uint64(bytes8(packed[52:60])),
                validUntilBatch: uint64(bytes8(packed[60:68]))
            });
    }

    /// @notice Pack a deposit.
    /// @param item The deposit.
    /// @return packed 60 bytes.
    function encodeDeposit(Deposit memory item) internal pure returns (bytes memory packed) {
        return abi.encodePacked(item.depositor, item.amount, item.to, item.toOwner);
    }

    /// @notice Unpack a deposit.
    /// @param packed 60 bytes, for the caller to check.
    /// @return item The deposit.
    function decodeDeposit(bytes calldata packed) internal pure returns (Deposit memory item) {
        return
            Deposit({
                depositor: address(bytes20(packed[0:20])),
                amount: uint128(bytes16(packed[20:36])),
                to: uint32(bytes4(packed[36:40])),
                toOwner: address(bytes20(packed[40:60]))
            });
    }
}
