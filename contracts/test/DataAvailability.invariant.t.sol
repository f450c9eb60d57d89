// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAvailability} from "../inbox/DataAvailability.sol";
import {InboxHandler} from "./InboxHandler.sol";
import {InboxTest} from "./InboxTest.sol";

contract DataAvailabilityInvariantTest is InboxTest {
    DataAvailability private inbox;
    InboxHandler private handler;

    function setUp() public {
        inbox = new DataAvailability(_config(8));
        handler = new InboxHandler(inbox);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_moneyQueueAndStepsAreAccountedFor() public view {
        _moneyHeldIsMoneyOwed();
        _queueIsOneLineAndBounded();
        _everyBatchAddsSteps();
    }

    /// @dev Without this the invariants could hold because nothing ever happens.
    function test_handlerReachesEveryPath() public {
        for (uint256 i = 0; i < 600; i++) {
            uint256 seed = uint256(keccak256(abi.encode("inbox", i)));
            if (seed % 9 == 0) handler.deposit(seed >> 8, uint64(seed >> 128));
            if (seed % 9 == 1 || seed % 9 == 2) handler.enforce(seed >> 8, abi.encode(seed));
            if (seed % 9 == 3) handler.commit(seed >> 8, seed >> 64);
            if (seed % 9 == 4) handler.forceInclude(seed >> 8, seed >> 64);
            if (seed % 9 == 5) handler.release(seed >> 8, seed >> 64);
            if (seed % 9 == 6) handler.fetch(seed >> 8);
            if (seed % 9 == 7) handler.wait(seed >> 8);
            if (seed % 9 == 8) handler.show(seed >> 8);
        }
        require(handler.deposits() > 5 && handler.forcedPayments() > 5 && handler.refusedFull() > 5, "queue");
        require(handler.committed() > 5 && handler.refusedDue() > 5, "batches");
        require(handler.forcedBatches() > 3 && handler.refusedEarly() > 5, "forced");
        require(handler.released() > 0 && handler.fetched() > 0 && handler.shown() > 20, "rest");
        invariant_moneyQueueAndStepsAreAccountedFor();
    }

    function _moneyHeldIsMoneyOwed() private view {
        uint256 burned = FEE * inbox.queueTail();
        require(inbox.escrowWei() == handler.held() - handler.released(), "escrow");
        uint256 credits = handler.released() - handler.fetched();
        require(address(inbox).balance == inbox.escrowWei() + credits + burned, "balance");
    }

    function _queueIsOneLineAndBounded() private view {
        require(inbox.queueTail() == handler.itemCount() && inbox.queueHead() == handler.executed(), "ends");
        require(inbox.queueTail() - inbox.queueHead() <= 8, "cap");
    }

    function _everyBatchAddsSteps() private view {
        uint64 count = inbox.batchCount();
        require(count == handler.committed() + handler.forcedBatches(), "count");
        for (uint64 number = 1; number <= count; number++) {
            require(inbox.cumulative(number) > inbox.cumulative(number - 1), "an empty batch");
            require(inbox.batches(number).queueTo >= inbox.batches(number - 1).queueTo, "back in the queue");
        }
        require(inbox.cumulative(count) == handler.stepCount(), "steps");
    }
}
