// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IL1Queue} from "../zk/IL1Queue.sol";
import {SCALAR_FIELD} from "../zk/ScalarField.sol";
import {RollupTest} from "./RollupTest.sol";
import {bound, vm} from "./Vm.sol";

contract L1QueueTest is RollupTest {
    function setUp() public {
        _deploy(2, 2, 3);
    }

    function testFuzz_deadlinesFollowTheRuleAndRise(uint256 seed) public {
        _register(address(0xa11ce), MIN_DEPOSIT_GWEI);
        (, , , uint256 last) = rollup.queueItem(0);
        require(last == block.timestamp + WINDOW, "first");
        bytes32 account = keccak256(abi.encode(uint256(0xa11ce), uint256(0xa11ce) + 1, address(0xa11ce)));
        for (uint256 id = 1; id < 12; id++) {
            seed = uint256(keccak256(abi.encode(seed)));
            // Bursts in one moment, waits shorter and longer than the spacing.
            vm.warp(block.timestamp + (seed % 3 == 0 ? 0 : (seed >> 8) % 40));
            rollup.topUp{value: ENTRY_FEE + uint256(MIN_DEPOSIT_GWEI) * 1 gwei}(1, account);
            (, , , uint256 overdueAt) = rollup.queueItem(id);
            uint256 fresh = block.timestamp + WINDOW;
            require(overdueAt == (fresh > last + SPACING ? fresh : last + SPACING), "rule");
            require(overdueAt > last, "monotone");
            last = overdueAt;
        }
        require(rollup.queueTail() == 12 && rollup.queueHead() == 0, "ends");
    }

    /// @dev Whatever count the header states and whenever: accepted exactly when the queue rule says so.
    function testFuzz_queueRuleDecidesEveryCount(uint256 waiting, uint256 count, uint256 wait) public {
        waiting = bound(waiting, 0, 6);
        count = bound(count, 0, 5);
        for (uint256 i = 0; i < waiting; i++) _register(address(uint160(0x1000 + i)), MIN_DEPOSIT_GWEI);
        wait = bound(wait, 0, WINDOW + 7 * SPACING);
        vm.warp(block.timestamp + wait);

        uint256 readable = count < waiting ? count : waiting;
        bytes memory txData = _txData(0, readable, new uint64[](0), "");
        BlockInput memory b = _block(1, txData, 2);
        b.txData[4] = bytes1(uint8(count));
        b.transactionsHash = keccak256(b.txData);

        bool accepted;
        if (count > 3) {
            vm.expectRevert(abi.encodeWithSelector(IL1Queue.TooManyItems.selector, count, 3));
        } else if (count > waiting) {
            vm.expectRevert(abi.encodeWithSelector(IL1Queue.ItemsNotQueued.selector, count, waiting));
        } else if (count < 3 && count < waiting && wait >= WINDOW + count * SPACING) {
            (, , , uint64 overdueAt) = rollup.queueItem(count);
            vm.expectRevert(abi.encodeWithSelector(IL1Queue.ItemOverdue.selector, count, overdueAt));
        } else {
            accepted = true;
        }
        _commit(b);
        require(rollup.queueHead() == (accepted ? count : 0), "head");
        require(rollup.blockCount() == (accepted ? 1 : 0), "count");
    }

    function test_entryIsOverdueFromItsSecondOnAndNotBefore() public {
        _register(address(0x1000), MIN_DEPOSIT_GWEI);
        (, , , uint64 overdueAt) = rollup.queueItem(0);
        vm.warp(overdueAt - 1);
        _commit(_block(1, _txData(0, 0, new uint64[](0), ""), 2));
        BlockInput memory b = _block(2, _txData(0, 0, new uint64[](0), ""), 3);
        vm.warp(overdueAt);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.ItemOverdue.selector, 0, overdueAt));
        _commit(b);
        vm.warp(overdueAt - 1);
        _commit(b);
    }

    function testFuzz_registerStoresCallerAndKey(address owner, uint256 ax, uint256 ay, uint64 amountGwei) public {
        vm.assume(owner != address(0) && owner != address(rollup) && uint160(owner) > 0xffff);
        vm.assume(owner != address(vm));
        amountGwei = uint64(bound(amountGwei, MIN_DEPOSIT_GWEI, type(uint64).max));
        uint256 value = ENTRY_FEE + uint256(amountGwei) * 1 gwei;
        vm.deal(owner, value);
        bool bad = ax >= SCALAR_FIELD || ay >= SCALAR_FIELD;
        if (bad) vm.expectRevert(abi.encodeWithSelector(IL1Queue.KeyOutOfField.selector, ax, ay));
        vm.prank(owner);
        uint32 index = rollup.register{value: value}(ax, ay);
        if (bad) return;
        (address storedOwner, uint256 storedAx, uint256 storedAy) = rollup.accounts(index);
        require(index == 1 && rollup.nextIndex() == 2, "index");
        require(storedOwner == owner && storedAx == ax && storedAy == ay, "account");
        require(rollup.owedGwei() == amountGwei && address(rollup).balance == value, "money");
    }

    function testFuzz_paymentIsFeePlusWholeGweiAboveMinimum(uint256 value) public {
        value = bound(value, 0, 4 * (ENTRY_FEE + uint256(MIN_DEPOSIT_GWEI) * 1 gwei));
        uint256 minimum = ENTRY_FEE + uint256(MIN_DEPOSIT_GWEI) * 1 gwei;
        bool accepted;
        if (value < minimum) {
            vm.expectRevert(abi.encodeWithSelector(IL1Queue.PaymentTooSmall.selector, value, minimum));
        } else if ((value - ENTRY_FEE) % 1 gwei != 0) {
            vm.expectRevert(abi.encodeWithSelector(IL1Queue.DepositNotWholeGwei.selector, value - ENTRY_FEE));
        } else {
            accepted = true;
        }
        vm.deal(address(this), value);
        rollup.register{value: value}(1, 2);
        require(rollup.owedGwei() == (accepted ? (value - ENTRY_FEE) / 1 gwei : 0), "owed");
    }

    function testFuzz_owedNeverPassesTheLimit(uint64 first, uint64 second) public {
        first = uint64(bound(first, MIN_DEPOSIT_GWEI, type(uint64).max));
        second = uint64(bound(second, MIN_DEPOSIT_GWEI, type(uint64).max));
        _register(address(0xa11ce), first);
        uint256 room = type(uint64).max - first;
        uint256 value = ENTRY_FEE + uint256(second) * 1 gwei;
        vm.deal(address(0xb0b), value);
        if (second > room) {
            vm.expectRevert(abi.encodeWithSelector(IL1Queue.DepositOverLimit.selector, second, room));
        }
        vm.prank(address(0xb0b));
        rollup.register{value: value}(1, 2);
        require(rollup.owedGwei() == (second > room ? first : first + second), "owed");
    }

    function test_everyIndexButZeroIsGivenOnce() public {
        for (uint160 i = 1; i < 16; i++) require(_register(address(0x1000 + i), MIN_DEPOSIT_GWEI) == i, "index");
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.TreeFull.selector, 16));
        rollup.register{value: 1 ether}(1, 2);
        require(rollup.nextIndex() == 16, "next");
    }
}
