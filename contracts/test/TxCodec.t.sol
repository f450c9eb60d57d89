// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Account, LedgerTypes, OP_DEPOSIT, OP_FORCED, OP_UNKNOWN, VMState} from "../ledger/LedgerTypes.sol";
import {Deposit, EXIT_TYPEHASH, Payment, TRANSFER_TYPEHASH, TxCodec} from "../ledger/TxCodec.sol";

contract TxCodecTest {
    function decodePayment(bytes calldata packed) external pure returns (Payment memory) {
        return TxCodec.decodePayment(packed);
    }

    function decodeDeposit(bytes calldata packed) external pure returns (Deposit memory) {
        return TxCodec.decodeDeposit(packed);
    }

    function testFuzz_paymentRoundTrip(Payment memory payment, bytes memory tail) public view {
        bytes memory packed = TxCodec.encodePayment(payment);
        require(packed.length == TxCodec.PAYMENT_BYTES, "length");
        Payment memory back = this.decodePayment(bytes.concat(packed, tail));
        require(keccak256(abi.encode(back)) == keccak256(abi.encode(payment)), "payment");
    }

    function testFuzz_everyBytesAreOnePayment(bytes32 a, bytes32 b, bytes4 c) public view {
        bytes memory packed = bytes.concat(a, b, c);
        require(keccak256(TxCodec.encodePayment(this.decodePayment(packed))) == keccak256(packed), "bytes");
    }

    function testFuzz_depositRoundTrip(Deposit memory item) public view {
        bytes memory packed = TxCodec.encodeDeposit(item);
        require(packed.length == TxCodec.DEPOSIT_BYTES, "length");
        Deposit memory back = this.decodeDeposit(packed);
        require(keccak256(abi.encode(back)) == keccak256(abi.encode(item)), "deposit");
    }

    function testFuzz_everyBytesAreOneDeposit(bytes32 a, bytes28 b) public view {
        bytes memory packed = bytes.concat(a, b);
        require(keccak256(TxCodec.encodeDeposit(this.decodeDeposit(packed))) == keccak256(packed), "bytes");
    }

    function testFuzz_onlyTheQueuesOpcodesAreTakenFromRecords(uint8 opcode) public pure {
        bool isQueued = opcode == OP_DEPOSIT || opcode == OP_FORCED;
        require(TxCodec.recordOpcode(opcode) == (isQueued ? OP_UNKNOWN : opcode), "opcode");
    }

    function test_typesAreThoseThatWalletsShow() public pure {
        bytes memory fields = bytes.concat(
            "(uint32 from,uint32 to,address toOwner,uint128 amount,uint64 fee,",
            "uint64 nonce,uint64 validUntilBatch)"
        );
        require(TRANSFER_TYPEHASH == keccak256(bytes.concat("Transfer", fields)), "transfer");
        require(EXIT_TYPEHASH == keccak256(bytes.concat("Exit", fields)), "exit");
    }

    /// @dev Equal digests of two payments mean equal payments: tried on pairs that differ in exactly one field.
    function testFuzz_everyFieldMovesTheDigest(Payment memory a, uint256 field, uint256 change) public pure {
        Payment memory b = abi.decode(abi.encode(a), (Payment));
        uint64 flip = uint64(change | 1);
        field %= 7;
        if (field == 0) b.from ^= uint32(flip);
        if (field == 1) b.to ^= uint32(flip);
        if (field == 2) b.toOwner = address(uint160(b.toOwner) ^ flip);
        if (field == 3) b.amount ^= flip;
        if (field == 4) b.fee ^= flip;
        if (field == 5) b.nonce ^= flip;
        if (field == 6) b.validUntilBatch ^= flip;
        require(_digest(0, TRANSFER_TYPEHASH, a) != _digest(0, TRANSFER_TYPEHASH, b), "field");
        require(_digest(0, TRANSFER_TYPEHASH, a) != _digest(0, EXIT_TYPEHASH, a), "type");
        require(_digest(0, TRANSFER_TYPEHASH, a) != _digest(bytes32(change | 1), TRANSFER_TYPEHASH, a), "domain");
    }

    function testFuzz_everyFieldMovesTheStateRoot(VMState memory a, uint256 field, uint256 change) public pure {
        VMState memory b = abi.decode(abi.encode(a), (VMState));
        uint64 flip = uint64(change | 1);
        field %= 5;
        if (field == 0) b.accountsRoot ^= bytes32(change | 1);
        if (field == 1) b.exitRoot ^= bytes32(change | 1);
        if (field == 2) b.exitCount ^= flip;
        if (field == 3) b.l1Cursor ^= flip;
        if (field == 4) b.feePot ^= flip;
        require(LedgerTypes.stateRoot(a) != LedgerTypes.stateRoot(b), "root");
    }

    function testFuzz_everyFieldMovesTheLeaf(Account memory a, uint256 field, uint256 change) public pure {
        Account memory b = abi.decode(abi.encode(a), (Account));
        uint64 flip = uint64(change | 1);
        field %= 3;
        if (field == 0) b.owner = address(uint160(b.owner) ^ flip);
        if (field == 1) b.nonce ^= flip;
        if (field == 2) b.balance ^= flip;
        require(LedgerTypes.leaf(a) != LedgerTypes.leaf(b), "leaf");
        require((LedgerTypes.leaf(a) == 0) == LedgerTypes.isEmpty(a), "empty");
    }

    function test_noAccountIsZeroAndNothingElseIs() public pure {
        require(LedgerTypes.leaf(Account(address(0), 0, 0)) == 0, "none");
        require(LedgerTypes.leaf(Account(address(1), 0, 0)) != 0, "owner");
        require(LedgerTypes.leaf(Account(address(0), 1, 0)) != 0, "nonce");
        require(LedgerTypes.leaf(Account(address(0), 0, 1)) != 0, "balance");
    }

    function _digest(bytes32 domain, bytes32 typeHash, Payment memory payment) private pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domain, TxCodec.structHash(typeHash, payment));
    }
}
