// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAvailability} from "../inbox/DataAvailability.sol";
import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {IForcedQueue} from "../inbox/IForcedQueue.sol";
import {OP_FORCED, OP_UNKNOWN} from "../ledger/LedgerTypes.sol";
import {InboxTest} from "./InboxTest.sol";
import {bound, vm} from "./Vm.sol";

contract DataAvailabilityTest is InboxTest {
    DataAvailability private inbox;

    function setUp() public {
        inbox = new DataAvailability(_config(16));
        vm.deal(address(this), 100 ether);
    }

    /// @dev This contract asks, so its alias is the authority: computed here from the published offset.
    function testFuzz_aContractIsKnownByItsAlias(bytes memory transaction) public {
        if (transaction.length > 256) return;
        uint64 id = inbox.enforceInclusion{value: FEE}(transaction);
        address authority;
        unchecked {
            authority = address(uint160(address(this)) + uint160(0x1111000000000000000000000000000000001111));
        }
        bytes memory item = abi.encodePacked(authority, transaction);
        _commit(inbox, 1, _records(1, 1));
        (uint8 opcode, bytes memory inputs) = inbox.instructionAt(0, abi.encode(1, OP_FORCED, item, new bytes32[](0)));
        require(opcode == OP_FORCED, "opcode");
        require(keccak256(inputs) == keccak256(bytes.concat(bytes8(uint64(1)), item)), "inputs");
        require(id == 0, "id");
    }

    /// @dev Whatever end the header states and whenever: accepted exactly when the queue rule says so.
    function testFuzz_queueRuleDecidesEveryEnd(uint256 waiting, uint256 taken, uint64 queueTo, uint256 wait) public {
        waiting = _fillQueue(waiting);
        taken = bound(taken, 0, waiting);
        _commit(inbox, uint64(taken), _records(0, 1));
        queueTo = uint64(bound(queueTo, 0, waiting + 2));
        uint256 start = block.timestamp;
        vm.warp(start + bound(wait, 0, SOFT + 700));

        bytes memory data = _batchData(2, queueTo, _records(1, 1));
        bool accepted;
        if (queueTo < taken || queueTo > waiting) {
            vm.expectRevert(
                abi.encodeWithSelector(IDataAvailability.QueueEndOutOfRange.selector, queueTo, taken, waiting)
            );
        } else if (queueTo < waiting && block.timestamp >= _enqueuedAt(queueTo) + SOFT) {
            uint64 dueAt = _enqueuedAt(queueTo) + SOFT;
            vm.expectRevert(abi.encodeWithSelector(IDataAvailability.EntryDue.selector, queueTo, dueAt));
        } else {
            accepted = true;
        }
        vm.prank(SEQUENCER);
        inbox.commitBatch(_leaves(_records(1, 1))[0], data);
        require(inbox.queueHead() == (accepted ? queueTo : taken), "head");
        require(inbox.batchCount() == (accepted ? 2 : 1), "count");
    }

    function testFuzz_hardDeadlineDecidesEveryForcedBatch(uint256 waiting, uint64 upTo, uint256 wait) public {
        waiting = _fillQueue(waiting);
        upTo = uint64(bound(upTo, 0, waiting + 2));
        vm.warp(block.timestamp + bound(wait, 0, HARD + 700));

        bool accepted;
        if (upTo == 0 || upTo > waiting) {
            vm.expectRevert(
                abi.encodeWithSelector(IDataAvailability.QueueEndOutOfRange.selector, upTo, 1, waiting)
            );
        } else if (block.timestamp < _enqueuedAt(upTo - 1) + HARD) {
            uint64 at_ = _enqueuedAt(upTo - 1) + HARD;
            vm.expectRevert(abi.encodeWithSelector(IDataAvailability.EntryNotForceable.selector, upTo - 1, at_));
        } else {
            accepted = true;
        }
        inbox.forceInclude(upTo);
        require(inbox.queueHead() == (accepted ? upTo : 0), "head");
        require(inbox.batchCount() == (accepted ? 1 : 0), "count");
        if (accepted) require(inbox.cumulative(1) == upTo, "steps");
    }

    function testFuzz_everyRecordIsItsOwnStep(uint256 seed, uint256 count) public {
        count = bound(count, 1, 9);
        uint256 waiting = _fillQueue(seed % 4);
        bytes[] memory records = _records(seed, count);
        _commit(inbox, uint64(waiting), records);
        require(inbox.cumulative(1) == waiting + count, "steps");
        for (uint256 i = 0; i < count; i++) {
            bytes memory evidence = _recordEvidence(1, records, i);
            (uint8 opcode, ) = inbox.instructionAt(uint64(waiting + i), evidence);
            uint8 stated = uint8(records[i][0]);
            require(opcode == (stated == 1 || stated == 4 ? OP_UNKNOWN : stated), "opcode");
            uint64 other = uint64(waiting + ((i + 1) % count));
            if (count == 1) continue;
            try inbox.instructionAt(other, evidence) {
                revert("two steps for one record");
            } catch {}
        }
    }

    function testFuzz_changedBytesAreAnotherBatch(uint256 seed, uint256 place, uint256 bit) public {
        bytes[] memory records = _records(seed, 5);
        bytes32 root = _rootOf(records);
        bytes memory data = _batchData(1, 0, records);
        // Behind the header, and not the opcode of the last record.
        place = bound(place, 16, data.length - 1);
        if (place == data.length - RECORD_BYTES) return;
        data[place] ^= bytes1(uint8(1 << (bit % 8)));
        vm.prank(SEQUENCER);
        try inbox.commitBatch(root, data) {
            revert("two batches with one root");
        } catch {}
    }

    /// @dev Half-open intervals: the last second before, the first one at.
    function test_deadlinesBeginInTheirSecond() public {
        uint256 start = block.timestamp;
        inbox.enforceInclusion{value: FEE}("");
        vm.warp(start + SOFT - 1);
        _commit(inbox, 0, _records(0, 1));
        vm.warp(start + SOFT);
        bytes memory data = _batchData(2, 0, _records(0, 1));
        _refuse(data, abi.encodeWithSelector(IDataAvailability.EntryDue.selector, 0, start + SOFT));
        vm.warp(start + HARD - 1);
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.EntryNotForceable.selector, 0, start + HARD));
        inbox.forceInclude(1);
        vm.warp(start + HARD);
        inbox.forceInclude(1);
    }

    function test_fullQueueAndRefusedEntries() public {
        for (uint256 i = 0; i < 16; i++) inbox.enforceInclusion{value: FEE}("");
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.QueueFull.selector, 16));
        inbox.enforceInclusion{value: FEE}("");
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.EntryFeeMismatch.selector, FEE - 1, FEE));
        inbox.enforceInclusion{value: FEE - 1}("");
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.EntryTooLong.selector, 257, 256));
        inbox.enforceInclusion{value: FEE}(new bytes(257));
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.NothingToDeposit.selector, FEE, FEE));
        inbox.deposit{value: FEE}(1, address(1));
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.DepositToNobody.selector));
        inbox.deposit{value: FEE + 1}(1, address(0));
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.NotExitPayer.selector, address(this), PAYER));
        inbox.release(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.EscrowTooLow.selector, 1, 0));
        vm.prank(PAYER);
        inbox.release(address(this), 1);
    }

    function test_batchesOfOthersAndOfNoForm() public {
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.NotSequencer.selector, address(this), SEQUENCER));
        inbox.commitBatch(0, "");
        _refuse("", abi.encodeWithSelector(IDataAvailability.BatchDataLength.selector, 0));
        _refuse(new bytes(16), abi.encodeWithSelector(IDataAvailability.BatchDataLength.selector, 16));
        _refuse(new bytes(150), abi.encodeWithSelector(IDataAvailability.BatchDataLength.selector, 150));
        bytes memory large = new bytes(16 + 1025 * RECORD_BYTES);
        _refuse(large, abi.encodeWithSelector(IDataAvailability.BatchDataLength.selector, large.length));
        _refuse(new bytes(149), abi.encodeWithSelector(IDataAvailability.LastRecordNotFee.selector, 0));
        bytes[] memory records = _records(0, 1);
        _refuse(_batchData(2, 0, records), abi.encodeWithSelector(IDataAvailability.BatchOutOfOrder.selector, 2, 1));
        bytes32 root = _rootOf(records);
        bytes memory refusal = abi.encodeWithSelector(IDataAvailability.BatchRootMismatch.selector, 0, root);
        _refuse(_batchData(1, 0, records), refusal);
    }

    function test_stepsThatAreNot() public {
        bytes[] memory records = _records(0, 2);
        bytes memory evidence = _recordEvidence(1, records, 0);
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.BatchUnknown.selector, 1, 0));
        inbox.instructionAt(0, evidence);
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.StepOutsideBatch.selector, 0, 0, 0));
        inbox.batchOf(0);
        _commit(inbox, 0, records);
        bytes memory ofNoBatch = _recordEvidence(0, records, 0);
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.BatchUnknown.selector, 0, 1));
        inbox.instructionAt(0, ofNoBatch);
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.StepOutsideBatch.selector, 2, 0, 2));
        inbox.instructionAt(2, evidence);
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.RecordLength.selector, 1, 133));
        inbox.instructionAt(0, abi.encode(1, 0, "", new bytes32[](1)));
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.EntryUnknown.selector, 0, 0));
        inbox.queueEntry(0);
        require(inbox.batchOf(1) == 1 && inbox.batches(0).cumulative == 0, "batch");
    }

    function test_itemsThatWereNotQueued() public {
        inbox.deposit{value: FEE + 5}(1, address(7));
        _commit(inbox, 1, _records(0, 1));
        // A refund goes to the contract itself, not to its alias, which is nobody on L1.
        bytes memory item = abi.encodePacked(address(this), uint128(5), uint32(1), address(7));
        inbox.instructionAt(0, abi.encode(1, 1, item, new bytes32[](0)));
        item = abi.encodePacked(address(this), uint128(6), uint32(1), address(7));
        (bytes32 hash, ) = inbox.queueEntry(0);
        bytes32 tag = keccak256("proofmill.inbox.entry.v1");
        bytes32 got = keccak256(abi.encode(tag, 0, 1, keccak256(item)));
        vm.expectRevert(abi.encodeWithSelector(IDataAvailability.ItemMismatch.selector, 0, got, hash));
        inbox.instructionAt(0, abi.encode(1, 1, item, new bytes32[](0)));
    }

    function test_deploymentsThatCannotWork() public {
        IForcedQueue.Config memory config = _config(16);
        require(keccak256(abi.encode(inbox.config())) == keccak256(abi.encode(config)), "config");
        config.hardDeadlineSeconds = SOFT;
        bytes4 selector = IForcedQueue.InboxConfigOutOfRange.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, "hardDeadlineSeconds", SOFT, SOFT + 1, 30 days));
        new DataAvailability(config);
    }

    function _refuse(bytes memory data, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(SEQUENCER);
        inbox.commitBatch(0, data);
    }

    function _rootOf(bytes[] memory records) private pure returns (bytes32 root) {
        bytes32[] memory leaves = _leaves(records);
        uint256 width = 1;
        while (width < leaves.length) width *= 2;
        bytes32[] memory row = new bytes32[](width);
        for (uint256 i = 0; i < leaves.length; i++) row[i] = leaves[i];
        for (; width > 1; width /= 2) {
            for (uint256 i = 0; i < width / 2; i++) row[i] = keccak256(bytes.concat(row[2 * i], row[2 * i + 1]));
        }
        return row[0];
    }

    /// @dev Entries ten minutes apart; returns how many.
    function _fillQueue(uint256 seed) private returns (uint256 count) {
        count = seed % 6;
        for (uint256 i = 0; i < count; i++) {
            if (i != 0) vm.warp(block.timestamp + 10 minutes);
            inbox.enforceInclusion{value: FEE}("");
        }
    }

    function _enqueuedAt(uint64 id) private view returns (uint64 enqueuedAt) {
        (, enqueuedAt) = inbox.queueEntry(id);
    }
}
