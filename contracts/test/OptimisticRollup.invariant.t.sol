// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInteractiveFraudProof} from "../optimistic/IInteractiveFraudProof.sol";
import {IOptimisticRollup} from "../optimistic/IOptimisticRollup.sol";
import {OptimisticHandler} from "./OptimisticHandler.sol";

contract OptimisticRollupInvariantTest {
    OptimisticHandler private handler;
    IOptimisticRollup private rollup;

    function setUp() public {
        handler = new OptimisticHandler();
        rollup = handler.target();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Stakes that are there, and what is credited: nothing more, nothing less.
    function invariant_moneyHeldIsMoneyOwed() public view {
        _honestPartiesLoseNothing();
        _openGamesAreCountedAndListed();
        (uint256 bond, uint256 deposit, ) = handler.stakes();
        uint256 owed;
        for (uint64 id = 1; id <= rollup.stateRootCount(); id++) {
            if (rollup.stateRoots(id).status == IOptimisticRollup.Status.Pending) owed += bond;
        }
        for (uint64 id = 1; id <= rollup.challengeCount(); id++) {
            if (!rollup.challenges(id).resolved) owed += deposit;
        }
        for (uint256 i = 0; i < handler.accountCount(); i++) owed += rollup.credits(handler.accountAt(i));
        require(address(rollup).balance == owed, "escrow");
    }

    function invariant_finalizedChainIsALineOfTruths() public view {
        uint64 end = 0;
        for (uint256 i = 0; i < handler.finalizedCount(); i++) {
            IOptimisticRollup.StateRoot memory entry = rollup.stateRoots(handler.finalized(i));
            IOptimisticRollup.Claim memory claim = rollup.claims(entry.key);
            require(entry.status == IOptimisticRollup.Status.Finalized, "status");
            require(entry.parentKey == rollup.finalKeyAt(end), "parent");
            require(claim.batchEnd > end && claim.batchEnd == rollup.claims(entry.parentKey).nextBatchEnd, "batches");
            end = claim.batchEnd;
            require(rollup.finalKeyAt(end) == entry.key, "key");
            // With one honest challenger nothing false is ever final.
            require(entry.key == handler.trueKey(end), "false");
        }
        require(rollup.latestBatchEnd() == end, "tip");
    }

    function invariant_gamesEndWithinTwoClocks() public view {
        (, , uint256 clock) = handler.stakes();
        for (uint64 id = 1; id <= rollup.challengeCount(); id++) {
            IOptimisticRollup.Challenge memory game = rollup.challenges(id);
            if (game.resolved) continue;
            bool isDefenders = game.turn == IInteractiveFraudProof.Turn.Defender;
            uint256 left = isDefenders ? game.clockDefender : game.clockChallenger;
            require(game.lastMove + left <= handler.startOf(id) + 2 * clock, "bound");
        }
    }

    /// @dev Without this the invariants could hold because nothing ever happens.
    function test_handlerReachesEveryPath() public {
        for (uint256 i = 0; i < 250; i++) {
            uint256 seed = uint256(keccak256(abi.encode("handler", i)));
            uint256 x = seed >> 8;
            if (seed % 12 == 0) handler.batch(x);
            if (seed % 12 == 1) handler.lie(x);
            if (seed % 12 == 2) handler.copy(x);
            if (seed % 12 == 3) handler.challenge(x);
            if (seed % 12 == 4 || seed % 12 == 5) handler.move(x);
            if (seed % 12 == 6) handler.resolve(x);
            if (seed % 12 == 7) handler.wait(x);
            if (seed % 12 == 8) handler.finalize(x);
            if (seed % 12 == 9) handler.orphan(x);
            if (seed % 12 == 10) handler.refund(x);
            if (seed % 12 == 11) handler.fetch(x);
        }
        require(handler.proposed() > 2 && handler.lied() > 5 && handler.copied() > 2, "claims");
        require(handler.challenged() > 10 && handler.finalizedCount() > 1, "challenges");
        require(handler.bisected() > 5 && handler.chosen() > 5, "moves");
        require(handler.resolved() > 3 && handler.timedOut() > 2, "ends");
        require(handler.orphaned() > 0 && handler.refunded() > 0 && handler.fetched() > 3, "money");
        require(rollup.credits(address(0)) > 0, "burned");
        invariant_moneyHeldIsMoneyOwed();
        invariant_finalizedChainIsALineOfTruths();
        invariant_gamesEndWithinTwoClocks();
    }

    /// @dev Whatever others do: what Alice and Bob staked is there, credited to them or paid back.
    function _honestPartiesLoseNothing() private view {
        uint256 theirs = handler.honestAtStake() + handler.paidToHonest();
        theirs += rollup.credits(handler.accountAt(1)) + rollup.credits(handler.accountAt(2));
        require(theirs >= handler.stakedByHonest(), "loss");
    }

    function _openGamesAreCountedAndListed() private view {
        for (uint64 id = 1; id <= rollup.stateRootCount(); id++) {
            IOptimisticRollup.StateRoot memory entry = rollup.stateRoots(id);
            if (entry.status != IOptimisticRollup.Status.Pending) continue;
            (uint32 count, uint64 first, uint64 last) = _openGames(id);
            require(entry.openChallenges == count && entry.firstOpen == first && entry.lastOpen == last, "list");
        }
    }

    function _openGames(uint64 rootId) private view returns (uint32 count, uint64 first, uint64 last) {
        for (uint64 id = 1; id <= rollup.challengeCount(); id++) {
            IOptimisticRollup.Challenge memory game = rollup.challenges(id);
            if (game.rootId != rootId || game.resolved) continue;
            if (first == 0) first = id;
            last = id;
            count++;
        }
    }
}
