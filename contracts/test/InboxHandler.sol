// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAvailability} from "../inbox/DataAvailability.sol";
import {OP_DEPOSIT, OP_FORCED} from "../ledger/LedgerTypes.sol";
import {InboxTest} from "./InboxTest.sol";
import {bound, vm} from "./Vm.sol";

/// @title Random users, a sequencer and somebody who forces batches
/// @author Proofmill
/// @dev Keeps what was queued and published, and asks the inbox for it. Every function that succeeds counts itself.
contract InboxHandler is InboxTest {
    struct Item {
        uint8 opcode;
        bytes item;
        uint256 queuedAt;
    }

    struct Step {
        uint64 batch;
        uint256 item; // 1 + its place in the queue; 0 for a record
        uint256 record;
    }

    DataAvailability private immutable INBOX;

    Item[] private items;
    Step[] private steps;
    mapping(uint64 batch => uint256 seed) private seedOf;
    mapping(uint64 batch => uint256 count) private countOf;

    uint256 public executed; // queue entries that a batch took
    uint256 public held;
    uint256 public released;
    uint256 public fetched;

    uint256 public deposits;
    uint256 public forcedPayments;
    uint256 public refusedFull;
    uint256 public committed;
    uint256 public refusedDue;
    uint256 public forcedBatches;
    uint256 public refusedEarly;
    uint256 public shown;

    constructor(DataAvailability inbox_) {
        INBOX = inbox_;
    }

    function deposit(uint256 seed, uint64 amount) external {
        address user = _user(seed);
        amount = uint64(bound(amount, 1, 1e18));
        vm.deal(user, FEE + amount);
        vm.prank(user);
        try INBOX.deposit{value: FEE + amount}(uint32(seed), user) {
            bytes memory item = abi.encodePacked(user, uint128(amount), uint32(seed), user);
            items.push(Item(OP_DEPOSIT, item, block.timestamp));
            held += amount;
            deposits++;
        } catch {
            refusedFull++;
        }
    }

    function enforce(uint256 seed, bytes calldata transaction) external {
        address user = _user(seed);
        vm.deal(user, FEE);
        vm.prank(user);
        try INBOX.enforceInclusion{value: FEE}(transaction) {
            items.push(Item(OP_FORCED, abi.encodePacked(user, transaction), block.timestamp));
            forcedPayments++;
        } catch {
            require(transaction.length > 256 || items.length - executed == 8, "refused without a reason");
            refusedFull++;
        }
    }

    function commit(uint256 seed, uint256 end) external {
        end = bound(end, executed, items.length);
        uint256 count = 1 + (seed % 5);
        bool isDue = end < items.length && block.timestamp >= items[end].queuedAt + SOFT;
        try this.commitAs(uint64(end), seed, count) {
            require(!isDue, "passed over a due entry");
            _append(end);
            seedOf[INBOX.batchCount()] = seed;
            countOf[INBOX.batchCount()] = count;
            for (uint256 i = 0; i < count; i++) steps.push(Step(INBOX.batchCount(), 0, i));
            committed++;
        } catch {
            require(isDue, "refused without a reason");
            refusedDue++;
        }
    }

    function commitAs(uint64 end, uint256 seed, uint256 count) external {
        require(msg.sender == address(this), "ours");
        _commit(INBOX, end, _records(seed, count));
    }

    function forceInclude(uint256 seed, uint256 end) external {
        if (items.length == executed) return;
        end = bound(end, executed + 1, items.length);
        bool isLate = block.timestamp >= items[end - 1].queuedAt + HARD;
        vm.prank(_user(seed));
        try INBOX.forceInclude(uint64(end)) {
            require(isLate, "forced before its time");
            _append(end);
            forcedBatches++;
        } catch {
            // What makes forced inclusion worth having: late entries are never refused.
            require(!isLate, "a late entry was refused");
            refusedEarly++;
        }
    }

    function release(uint256 seed, uint256 amount) external {
        uint256 escrow = INBOX.escrowWei();
        amount = bound(amount, 0, escrow + 1);
        vm.prank(PAYER);
        try INBOX.release(_user(seed), amount) {
            require(amount <= escrow, "more than there is");
            released += amount;
        } catch {
            require(amount > escrow, "refused");
        }
    }

    function fetch(uint256 seed) external {
        uint256 credit = INBOX.credits(_user(seed));
        if (credit == 0) return;
        vm.prank(_user(seed));
        INBOX.withdrawCredit();
        fetched += credit;
    }

    function wait(uint256 duration) external {
        vm.warp(block.timestamp + bound(duration, 0, duration % 3 == 0 ? 3 * HARD : SOFT));
    }

    /// @dev The inbox must say of every step what was put there.
    function show(uint256 seed) external {
        if (steps.length == 0) return;
        uint256 step = seed % steps.length;
        Step memory place = steps[step];
        require(INBOX.batchOf(uint64(step)) == place.batch, "batch");
        bytes memory evidence;
        if (place.item == 0) {
            bytes[] memory records = _records(seedOf[place.batch], countOf[place.batch]);
            evidence = _recordEvidence(place.batch, records, place.record);
        } else {
            Item memory item = items[place.item - 1];
            evidence = abi.encode(place.batch, item.opcode, item.item, new bytes32[](0));
        }
        (uint8 opcode, bytes memory inputs) = INBOX.instructionAt(uint64(step), evidence);
        require(bytes8(inputs) == bytes8(place.batch), "number");
        if (place.item != 0) require(opcode == items[place.item - 1].opcode, "opcode");
        else require(opcode != OP_DEPOSIT && opcode != OP_FORCED, "a record as the queue");
        shown++;
    }

    function stepCount() external view returns (uint256) {
        return steps.length;
    }

    function itemCount() external view returns (uint256) {
        return items.length;
    }

    function _append(uint256 end) private {
        uint64 batch = INBOX.batchCount();
        for (uint256 id = executed; id < end; id++) steps.push(Step(batch, id + 1, 0));
        executed = end;
    }

    function _user(uint256 seed) private pure returns (address) {
        return address(uint160(0x10000 + (seed % 4)));
    }
}
