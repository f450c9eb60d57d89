// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RollupHandler} from "./RollupHandler.sol";
import {RollupTest} from "./RollupTest.sol";

contract ZKRollupInvariantTest is RollupTest {
    RollupHandler private handler;

    function setUp() public {
        _deploy(4, 3, 2);
        handler = new RollupHandler(rollup);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_moneyHeldIsMoneyOwed() public view {
        uint256 burned = handler.entryFee() * rollup.queueTail();
        uint256 inside = uint256(rollup.owedGwei()) * 1 gwei;
        require(
            address(rollup).balance == inside + handler.unspentWei() + handler.creditedWei() + burned,
            "escrow"
        );
        uint256 credits;
        for (uint256 i = 1; i <= handler.ACCOUNTS(); i++) credits += rollup.credits(handler.ownerOf(i));
        require(credits == handler.creditedWei(), "credits");
    }

    function invariant_owedInsideIsBalancesPlusQueuedDeposits() public view {
        uint256 expected;
        for (uint256 i = 1; i <= handler.ACCOUNTS(); i++) expected += handler.balances(i);
        for (uint256 id = rollup.queueHead(); id < rollup.queueTail(); id++) {
            (, , uint64 amountGwei, ) = rollup.queueItem(id);
            expected += amountGwei;
        }
        require(rollup.owedGwei() == expected, "owed");
    }

    function invariant_noExitIsPaidTwice() public view {
        for (uint256 i = 0; i < handler.spentCount(); i++) {
            require(handler.payments(handler.leafOfSpent(i)) == 1, "payments");
        }
        require(handler.unspentWei() + handler.creditedWei() + handler.paidWei() == handler.exitedWei(), "exits");
    }

    function invariant_rootsAreOneLine() public view {
        require(rollup.blockCount() + 1 == handler.rootCount(), "count");
        for (uint256 n = 0; n < handler.rootCount(); n++) {
            (bytes32 root, , uint256 number, , ) = rollup.blocks(n);
            require(uint256(root) == handler.roots(n) && number == n, "root");
        }
        require(uint256(rollup.currentStateRoot()) == handler.roots(handler.rootCount() - 1), "last");
    }

    function invariant_headNeverPassesTail() public view {
        require(rollup.queueHead() <= rollup.queueTail(), "head");
        uint256 consumed;
        uint256 last;
        for (uint256 n = 1; n <= rollup.blockCount(); n++) {
            require(rollup.firstItemOf(n) >= consumed && rollup.firstItemOf(n) <= rollup.queueHead(), "first item");
            consumed = rollup.firstItemOf(n);
        }
        for (uint256 id = 0; id < rollup.queueTail(); id++) {
            (, , , uint64 overdueAt) = rollup.queueItem(id);
            require(overdueAt > last, "deadlines");
            last = overdueAt;
        }
    }

    /// @dev Without this the invariants could hold because nothing ever happens.
    function test_handlerReachesEveryPath() public {
        for (uint256 i = 0; i < 400; i++) {
            uint256 seed = uint256(keccak256(abi.encode("handler", i)));
            if (seed % 11 == 0) handler.register(seed >> 8);
            if (seed % 11 == 1) handler.topUp(seed >> 8, seed >> 16);
            if (seed % 11 == 2) handler.requestExit(seed >> 8);
            if (seed % 11 == 3) handler.wait(seed >> 8);
            if (seed % 11 == 4) handler.commitPastOverdue();
            if (seed % 11 == 5 || seed % 11 == 6) {
                try handler.commit(seed >> 8, 2) {} catch {}
            }
            if (seed % 11 == 7) {
                try handler.commit(seed >> 8, seed >> 16) {} catch {}
            }
            if (seed % 11 == 8) handler.withdraw(seed >> 8);
            if (seed % 11 == 9) handler.withdrawAgain(seed >> 8);
            if (seed % 11 == 10) handler.fetch(seed >> 8);
        }
        require(handler.registered() == handler.ACCOUNTS(), "registered");
        require(handler.toppedUp() > 0 && handler.exitsRequested() > 0, "queue");
        require(handler.committed() > 20, "blocks");
        require(handler.overdueRefused() > 0, "overdue");
        require(handler.forcedExitsServed() > 0 && handler.exitsMade() > 5, "exits");
        require(handler.withdrawn() > 5 && handler.replaysRefused() > 0 && handler.fetched() > 5, "withdrawals");
        invariant_moneyHeldIsMoneyOwed();
        invariant_owedInsideIsBalancesPlusQueuedDeposits();
        invariant_noExitIsPaidTwice();
        invariant_rootsAreOneLine();
        invariant_headNeverPassesTail();
    }
}
