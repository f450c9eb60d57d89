// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IForcedQueue} from "./IForcedQueue.sol";

/// @title The inbox: every instruction of a ledger, in its order, for ever
/// @author Proofmill
/// @notice Batches, numbered from 1. A batch is queue entries, then records; the steps of all batches are numbered
/// through from 0. Which instruction a step is, and what stands in it, is nobody's claim: it is read from here.
interface IDataAvailability is IForcedQueue {
    /// @notice A batch.
    /// @param txRoot Root of the tree over its records; 0 if it has none.
    /// @param dataHash sha256 of the bytes that were published, for proof systems; 0 if there were none.
    /// @param cumulative Instructions in this batch and all before it.
    /// @param queueTo Id of the first queue entry behind it.
    /// @param timestamp Unix time of its block.
    struct Batch {
        bytes32 txRoot;
        bytes32 dataHash;
        uint64 cumulative;
        uint64 queueTo;
        uint64 timestamp;
    }

    /// @notice The sequencer published a batch.
    /// @dev With the bytes, so that logs are enough to rebuild the state whoever called.
    /// @param number Its number.
    /// @param txRoot Root of the tree over its records.
    /// @param cumulative Instructions in this batch and all before it.
    /// @param queueTo Id of the first queue entry behind it.
    /// @param batchData The bytes.
    event BatchCommitted(
        uint64 indexed number,
        bytes32 txRoot,
        uint64 cumulative,
        uint64 queueTo,
        bytes batchData
    );

    /// @notice Somebody included queue entries past their hard deadline.
    /// @param number The batch.
    /// @param cumulative Instructions in this batch and all before it.
    /// @param queueTo Id of the first queue entry behind it.
    event BatchForced(uint64 indexed number, uint64 cumulative, uint64 queueTo);

    /// @notice Only the sequencer publishes records.
    /// @param caller Who called.
    /// @param sequencer Who may.
    error NotSequencer(address caller, address sequencer);

    /// @notice The bytes are no header and whole records, at least one and at most 1,024.
    /// @param got Their length.
    error BatchDataLength(uint256 got);

    /// @notice The batch was made for another place.
    /// @param got Number in its header.
    /// @param expected The next number.
    error BatchOutOfOrder(uint64 got, uint64 expected);

    /// @notice A batch ends at a queue entry behind the tail or before the head.
    /// @param got End in its header.
    /// @param head The smallest allowed.
    /// @param tail The largest allowed.
    error QueueEndOutOfRange(uint64 got, uint64 head, uint64 tail);

    /// @notice A batch passes over an entry past its soft deadline.
    /// @param id The entry.
    /// @param dueAt Unix time from which it must be taken.
    error EntryDue(uint64 id, uint64 dueAt);

    /// @notice The last record pays the fees out.
    /// @param got Its opcode.
    error LastRecordNotFee(uint8 got);

    /// @notice The stated root is not that of the records.
    /// @param got What was stated.
    /// @param expected What the records give.
    error BatchRootMismatch(bytes32 got, bytes32 expected);

    /// @notice Nobody may force an entry before its hard deadline.
    /// @param id The entry.
    /// @param forceableAt Unix time from which anybody may.
    error EntryNotForceable(uint64 id, uint64 forceableAt);

    /// @notice There is no such batch.
    /// @param number Its number.
    /// @param batchCount Batches so far; 0 is the empty batch before the first.
    error BatchUnknown(uint64 number, uint64 batchCount);

    /// @notice The step is not in this batch.
    /// @param step The step.
    /// @param first First step of the batch.
    /// @param end First step behind it.
    error StepOutsideBatch(uint64 step, uint64 first, uint64 end);

    /// @notice This is not what was queued.
    /// @param id The entry.
    /// @param got Hash of what was shown.
    /// @param expected Hash of what was queued.
    error ItemMismatch(uint64 id, bytes32 got, bytes32 expected);

    /// @notice A record has another length.
    /// @param got The length.
    /// @param expected 133.
    error RecordLength(uint256 got, uint256 expected);

    /// @notice Publish the next batch.
    /// @dev Header: number u64, queueTo u64. Then records of 133 bytes, the last of which is a FEE. The bytes are not
    /// looked at beyond that: a record that makes no sense does nothing.
    /// @param batchRoot Root of the tree over the records.
    /// @param batchData Header and records.
    function commitBatch(bytes32 batchRoot, bytes calldata batchData) external;

    /// @notice Make a batch of queue entries alone; anybody may, once all of them are past the hard deadline.
    /// @param upTo Id of the first entry that is left out.
    function forceInclude(uint64 upTo) external;

    /// @notice The instruction of a step.
    /// @dev Reverts unless the evidence leads to the one instruction that the step is.
    /// @param step Counted from 0 through all batches.
    /// @param evidence abi.encode(uint64 batch, uint8 opcode, bytes item, bytes32[] proof): the batch that contains the
    /// step, then opcode and item of the queue entry and no proof, or opcode and rest of the record and its siblings in
    /// the batch's tree.
    /// @return opcode For `ILedgerVM.executeInstruction`: not the evidence's if records cannot have that one.
    /// @return inputs Likewise.
    function instructionAt(
        uint64 step,
        bytes calldata evidence
    ) external view returns (uint8 opcode, bytes memory inputs);

    /// @notice The batch that contains a step, by binary search: for evidence, and not needed to check it.
    /// @param step Counted from 0 through all batches.
    /// @return number The batch.
    function batchOf(uint64 step) external view returns (uint64 number);

    /// @notice Instructions in a batch and all before it.
    /// @param number The batch; 0 for none.
    /// @return count How many.
    function cumulative(uint64 number) external view returns (uint64 count);

    /// @notice Batches so far, which is also the number of the last one.
    /// @return count How many.
    function batchCount() external view returns (uint64 count);

    /// @notice A batch.
    /// @param number From 1; 0 is the empty batch before the first.
    /// @return stored What is stored of it.
    function batches(uint64 number) external view returns (Batch memory stored);
}
