// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OP_FEE} from "../ledger/LedgerTypes.sol";
import {MerkleTree} from "../ledger/MerkleTree.sol";
import {RECORD_TAG, TxCodec} from "../ledger/TxCodec.sol";
import {ExitTree} from "../zk/ExitTree.sol";
import {ForcedQueue} from "./ForcedQueue.sol";
import {IDataAvailability} from "./IDataAvailability.sol";

/// @title The inbox
/// @author Proofmill
/// @notice Keeps of every batch what it takes to prove any of its instructions, and publishes the rest in logs.
/// @dev No external call in here but the credits' payout, and no loop but over a batch's own records.
contract DataAvailability is IDataAvailability, ForcedQueue {
    /// @dev number u64, queueTo u64.
    uint256 private constant HEADER_BYTES = 16;
    /// @dev 136 kB of calldata, 5.5 million gas by the calldata floor (EIP-7623): a third of a transaction's limit.
    uint256 private constant MAX_RECORDS = 1_024;

    uint64 private _batchCount; // shares the queue's slot

    mapping(uint64 number => Batch batch) private _batches;

    /// @notice An inbox without batches.
    /// @param config_ What this deployment fixes for ever.
    constructor(Config memory config_) ForcedQueue(config_) {}

    /// @inheritdoc IDataAvailability
    function commitBatch(bytes32 batchRoot, bytes calldata batchData) external {
        _checkSequencer();
        uint256 count = _recordCount(batchData);
        uint64 number = _batchCount + 1;
        _checkNumber(uint64(bytes8(batchData[0:8])), number);
        uint64 queueTo = uint64(bytes8(batchData[8:16]));
        _checkQueueEnd(queueTo);
        _checkRoot(batchRoot, batchData, count);

        uint64 total = _append(number, queueTo, count, batchRoot, sha256(batchData));
        emit BatchCommitted(number, batchRoot, total, queueTo, batchData);
    }

    /// @inheritdoc IDataAvailability
    function forceInclude(uint64 upTo) external {
        uint64 head = _head;
        if (upTo <= head || upTo > _tail) revert QueueEndOutOfRange(upTo, head + 1, _tail);
        _checkForceable(upTo - 1);

        uint64 number = _batchCount + 1;
        uint64 total = _append(number, upTo, 0, 0, 0);
        emit BatchForced(number, total, upTo);
    }

    /// @inheritdoc IDataAvailability
    function instructionAt(
        uint64 step,
        bytes calldata evidence
    ) external view returns (uint8 opcode, bytes memory inputs) {
        uint64 number;
        bytes memory item;
        bytes32[] memory proof;
        (number, opcode, item, proof) = abi.decode(evidence, (uint64, uint8, bytes, bytes32[]));
        // 0 is no batch, and has none before it.
        if (number == 0) revert BatchUnknown(0, _batchCount);
        Batch storage batch = _batch(number);
        Batch storage previous = _batches[number - 1];
        (uint64 first, uint64 end) = (previous.cumulative, batch.cumulative);
        if (step < first || step >= end) revert StepOutsideBatch(step, first, end);

        inputs = bytes.concat(bytes8(number), item);
        uint64 place = step - first;
        uint64 entries = batch.queueTo - previous.queueTo;
        if (place < entries) {
            _checkItem(previous.queueTo + place, opcode, item);
            return (opcode, inputs);
        }
        if (item.length != TxCodec.RECORD_BYTES - 1) revert RecordLength(item.length + 1, TxCodec.RECORD_BYTES);
        bytes32 leaf = TxCodec.recordLeaf(bytes.concat(bytes1(opcode), item));
        MerkleTree.verify(batch.txRoot, ExitTree.depth(end - first - entries), place - entries, leaf, proof);
        return (_admit(opcode), inputs);
    }

    /// @inheritdoc IDataAvailability
    function batchOf(uint64 step) external view returns (uint64 number) {
        uint64 last = _batchCount;
        uint64 steps = _batches[last].cumulative;
        if (step >= steps) revert StepOutsideBatch(step, 0, steps);
        // The answer is in (before, number]: cumulative(before) <= step < cumulative(number).
        uint64 before = 0;
        number = last;
        while (number - before > 1) {
            uint64 middle = before + (number - before) / 2;
            if (_batches[middle].cumulative <= step) before = middle;
            else number = middle;
        }
    }

    /// @inheritdoc IDataAvailability
    function cumulative(uint64 number) external view returns (uint64 count) {
        return _batch(number).cumulative;
    }

    /// @inheritdoc IDataAvailability
    function batchCount() external view returns (uint64 count) {
        return _batchCount;
    }

    /// @inheritdoc IDataAvailability
    function batches(uint64 number) external view returns (Batch memory stored) {
        return _batch(number);
    }

    // The checks are virtual for tests that take one away and rob what is left.

    function _checkSequencer() internal view virtual {
        if (msg.sender != SEQUENCER) revert NotSequencer(msg.sender, SEQUENCER);
    }

    /// @dev The sequencer takes what it likes from the head, but all that is due: taking an entry costs nothing here.
    function _checkQueueEnd(uint64 queueTo) internal view virtual {
        (uint64 head, uint64 tail) = (_head, _tail);
        if (queueTo < head || queueTo > tail) revert QueueEndOutOfRange(queueTo, head, tail);
        if (queueTo == tail) return;
        uint64 dueAt = _entry(queueTo).enqueuedAt + SOFT_DEADLINE_SECONDS;
        if (block.timestamp >= dueAt) revert EntryDue(queueTo, dueAt);
    }

    /// @dev Times never fall along the queue: with the last entry, all before it are past the deadline as well.
    function _checkForceable(uint64 lastId) internal view virtual {
        uint64 forceableAt = _entry(lastId).enqueuedAt + HARD_DEADLINE_SECONDS;
        if (block.timestamp < forceableAt) revert EntryNotForceable(lastId, forceableAt);
    }

    function _checkItem(uint64 id, uint8 opcode, bytes memory item) internal view virtual {
        bytes32 expected = _entry(id).hash;
        bytes32 got = _entryHash(id, opcode, item);
        if (got != expected) revert ItemMismatch(id, got, expected);
    }

    function _checkNumber(uint64 stated, uint64 number) internal pure virtual {
        if (stated != number) revert BatchOutOfOrder(stated, number);
    }

    function _checkRoot(bytes32 stated, bytes calldata batchData, uint256 count) internal pure virtual {
        bytes32 txRoot = _txRoot(batchData, count);
        if (stated != txRoot) revert BatchRootMismatch(stated, txRoot);
    }

    /// @dev What a record may stand for.
    function _admit(uint8 opcode) internal pure virtual returns (uint8 admitted) {
        return TxCodec.recordOpcode(opcode);
    }

    /// @dev Adds a batch that is not empty: a claim about no instruction at all could not be disputed.
    function _append(
        uint64 number,
        uint64 queueTo,
        uint256 records,
        bytes32 txRoot,
        bytes32 dataHash
    ) private returns (uint64 total) {
        total = _batches[number - 1].cumulative + (queueTo - _head) + uint64(records);
        _batches[number] = Batch({
            txRoot: txRoot,
            dataHash: dataHash,
            cumulative: total,
            queueTo: queueTo,
            timestamp: uint64(block.timestamp)
        });
        _head = queueTo;
        _batchCount = number;
    }

    function _batch(uint64 number) private view returns (Batch storage batch) {
        if (number > _batchCount) revert BatchUnknown(number, _batchCount);
        return _batches[number];
    }

    function _recordCount(bytes calldata batchData) private pure returns (uint256 count) {
        uint256 length = batchData.length;
        if (length <= HEADER_BYTES || (length - HEADER_BYTES) % TxCodec.RECORD_BYTES != 0) {
            revert BatchDataLength(length);
        }
        count = (length - HEADER_BYTES) / TxCodec.RECORD_BYTES;
        if (count > MAX_RECORDS) revert BatchDataLength(length);
        uint8 lastOpcode = uint8(batchData[length - TxCodec.RECORD_BYTES]);
        if (lastOpcode != OP_FEE) revert LastRecordNotFee(lastOpcode);
    }

    /// @dev Assembly: one buffer for all records. Plain code copies each of them twice into fresh memory, for 480 gas
    /// more a record. Held to TxCodec.recordLeaf by tests over whole batches.
    function _txRoot(bytes calldata batchData, uint256 count) private pure returns (bytes32 root) {
        bytes32[] memory leaves = new bytes32[](count);
        bytes32 tag = RECORD_TAG;
        uint256 size = TxCodec.RECORD_BYTES;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // Behind the free memory pointer, which stays where it is.
            let buffer := mload(0x40)
            mstore(buffer, tag)
            let record := add(batchData.offset, HEADER_BYTES)
            for {
                let leaf := add(leaves, 32)
                let end := add(leaf, shl(5, count))
            } lt(leaf, end) {
                leaf := add(leaf, 32)
                record := add(record, size)
            } {
                calldatacopy(add(buffer, 32), record, size)
                mstore(leaf, keccak256(buffer, add(size, 32)))
            }
        }
        return ExitTree.root(leaves);
    }
}
