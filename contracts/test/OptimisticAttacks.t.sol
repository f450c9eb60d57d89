// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInteractiveFraudProof} from "../optimistic/IInteractiveFraudProof.sol";
import {IOptimisticRollup} from "../optimistic/IOptimisticRollup.sol";
import {OptimisticTest} from "./OptimisticTest.sol";
import {rootOf} from "./StubLedger.sol";
import {vm} from "./Vm.sol";

/// @dev Refuses what it is paid, or comes back for more.
contract GreedyReceiver {
    bool private accepts;
    bytes public again;

    error Refused();

    receive() external payable {
        if (!accepts) revert Refused();
        // solhint-disable-next-line avoid-low-level-calls
        (, again) = msg.sender.call(abi.encodeWithSignature("withdrawCredit()"));
    }

    function setAccepts(bool accepts_) external {
        accepts = accepts_;
    }
}

/// @dev What dishonest people try, with the money that it costs them.
contract OptimisticAttacksTest is OptimisticTest {
    bytes32 private genesis;

    function setUp() public {
        _deploy();
        genesis = _trueKey(0);
        _batch(1);
        _batch(9);
    }

    /// @dev Claims the right root first, loses on purpose to a sybil, and hopes that nobody can claim the root again.
    function test_lazyCopycatProposerCannotBurnTheRightRoot() public {
        uint64 bad = _propose(MALLORY, _trueRoot(1), genesis);
        uint64 child = _propose(MALLORY, _trueRoot(2), _trueKey(1));
        uint64 game = _challenge(SYBIL, child);
        vm.warp(START + CLOCK + 1);
        rollup.claimTimeout(game); // the defender never moved
        _is(child, IOptimisticRollup.Status.Rejected);

        uint64 good = _propose(ALICE, _trueRoot(2), _trueKey(1));
        vm.warp(START + CLOCK + 1 + PERIOD);
        _finalize(bad);
        _finalize(good);
        require(rollup.finalKeyAt(2) == _trueKey(2), "the right root is final");
        _owed(ALICE, BOND);
        // Both halves of the plan together got back less than they put in.
        _owed(SYBIL, DEPOSIT + BOND / 2);
        _owed(MALLORY, BOND);
    }

    /// @dev A liar that challenges himself early does not keep others out, and losing on purpose costs half the bond.
    function test_sybilSelfChallengeClosesNothing() public {
        uint64 id = _propose(MALLORY, _falseRoot(2), _trueParent());
        uint64 sham = _challenge(SYBIL, id);
        uint64 honest = _challenge(ALICE, id);
        vm.prank(MALLORY);
        rollup.bisect(sham, "nonsense");
        vm.warp(START + CLOCK + 1);
        rollup.claimTimeout(honest); // neither did the liar answer the honest one in time
        _is(id, IOptimisticRollup.Status.Rejected);
        _owed(ALICE, DEPOSIT + BOND / 2);
    }

    /// @dev The sham game is lost by the sybil: the entry stands, and so does the honest game about it.
    function test_sybilThatLosesOnPurposeProvesNothing() public {
        uint64 id = _propose(MALLORY, _falseRoot(2), _trueParent());
        uint64 sham = _challenge(SYBIL, id);
        uint64 honest = _challenge(ALICE, id);
        vm.prank(MALLORY);
        rollup.bisect(sham, "nonsense");
        vm.warp(START + CLOCK);
        vm.prank(MALLORY);
        rollup.bisect(honest, rootOf(states[1 + 4]));
        vm.warp(START + CLOCK + 1);
        rollup.claimTimeout(sham);
        _owed(MALLORY, DEPOSIT); // its own money
        _is(id, IOptimisticRollup.Status.Pending);
        require(rollup.stateRoots(id).openChallenges == 1, "the honest game goes on");
        vm.prank(ALICE);
        rollup.choose(honest, true);
        vm.warp(START + CLOCK + 2);
        rollup.claimTimeout(honest);
        _is(id, IOptimisticRollup.Status.Rejected);
        _owed(ALICE, DEPOSIT + BOND / 2);
    }

    /// @dev A sybil that wins first saves half of the bond, not more; the honest challenger gets its deposit back.
    function test_sybilThatWinsFirstSavesHalfTheBond() public {
        uint64 id = _propose(MALLORY, _falseRoot(1), genesis);
        uint64 honest = _challenge(ALICE, id);
        uint64 sham = _challenge(SYBIL, id);
        _resolve(sham);
        rollup.refundChallenge(honest);
        _owed(ALICE, DEPOSIT);
        _owed(SYBIL, DEPOSIT + BOND / 2);
        _owed(MALLORY, 0);
        _owed(address(0), BOND - BOND / 2);
    }

    /// @dev Copies each move of the honest challenger into its own game: it may win the prize, nobody loses money.
    function test_copycatChallengerCostsTheHonestOneNothing() public {
        uint64 id = _propose(MALLORY, _falseRoot(2), _trueParent());
        uint64 honest = _challenge(ALICE, id);
        uint64 copy = _challenge(BOB, id);
        _playUntilStep(honest);
        _playUntilStep(copy);
        _resolve(copy);
        rollup.refundChallenge(honest);
        _owed(ALICE, DEPOSIT);
        _owed(BOB, DEPOSIT + BOND / 2);
    }

    /// @dev Forty games at once about a true claim: each is won by itself, each pays the defender.
    function test_manyGamesAboutATrueClaim() public {
        uint64 id = _propose(ALICE, _trueRoot(2), _trueParent());
        uint64[] memory games = new uint64[](40);
        for (uint256 i = 0; i < games.length; i++) games[i] = _challenge(address(uint160(0x5000 + i)), id);
        for (uint256 i = 0; i < games.length; i += 2) {
            _playUntilStep(games[i]);
            _resolve(games[i]);
        }
        for (uint256 i = 1; i < games.length; i += 2) {
            vm.prank(ALICE);
            rollup.bisect(games[i], rootOf(states[1 + 4]));
        }
        vm.warp(START + CLOCK + 1);
        for (uint256 i = 1; i < games.length; i += 2) rollup.claimTimeout(games[i]);
        _owed(ALICE, 40 * DEPOSIT);
        require(rollup.stateRoots(id).openChallenges == 0 && rollup.stateRoots(id).firstOpen == 0, "closed");
    }

    /// @dev OR-5: the time to finality is bounded whatever challengers do.
    function test_longestTimeToFinality() public {
        uint64 parent = _propose(ALICE, _trueRoot(1), genesis);
        uint64 id = _propose(ALICE, _trueRoot(2), _trueKey(1));
        vm.warp(START + PERIOD - 1);
        uint64 game = _challenge(MALLORY, id);
        uint256 last = START + PERIOD - 1;
        vm.warp(last + CLOCK); // all of the defender's time
        vm.prank(ALICE);
        rollup.bisect(game, rootOf(states[1 + 4]));
        vm.warp(last + 2 * CLOCK); // and all of the challenger's
        vm.prank(MALLORY);
        rollup.choose(game, false);
        vm.prank(ALICE);
        rollup.bisect(game, rootOf(states[1 + 2]));
        vm.warp(last + 2 * CLOCK + 1);
        rollup.claimTimeout(game);
        vm.warp(last + 2 * CLOCK + 1 + GRACE);
        _finalize(parent);
        _finalize(id);
        require(block.timestamp <= START + PERIOD + 2 * uint256(CLOCK) + GRACE, "bound");
    }

    /// @dev OR-11: who refuses money or asks for it twice harms nobody, and is paid once.
    function test_greedyReceivers() public {
        GreedyReceiver greedy = new GreedyReceiver();
        uint64 id = _propose(MALLORY, _falseRoot(1), genesis);
        uint64 game = _challenge(address(greedy), id);
        _resolve(game);
        uint256 prize = DEPOSIT + BOND / 2;
        _owed(address(greedy), prize);
        vm.expectRevert(
            abi.encodeWithSignature("PaymentRefused(address,uint256)", address(greedy), prize)
        );
        vm.prank(address(greedy));
        rollup.withdrawCredit();
        greedy.setAccepts(true);
        vm.prank(address(greedy));
        rollup.withdrawCredit();
        require(address(greedy).balance == prize, "once");
        require(
            keccak256(greedy.again()) == keccak256(abi.encodeWithSignature("ReentrancyGuardReentrantCall()")),
            "second attempt"
        );
    }

    /// @dev Somebody who can execute a better step than the truth would need a second preimage; all that is left is to
    /// say the same false state at both ends, which the clocks and the step treat like any other.
    function testFuzz_noWitnessButTheTrueOneIsHeard(uint256 state, uint64 step) public {
        uint64 id = _propose(MALLORY, _falseRoot(2), _trueParent());
        uint64 game = _challenge(ALICE, id);
        _playUntilStep(game);
        (bytes memory inputs, bytes memory preState) = _witness(game);
        if (state != abi.decode(preState, (uint256))) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IOptimisticRollup.PreStateMismatch.selector,
                    rootOf(state),
                    rootOf(abi.decode(preState, (uint256)))
                )
            );
            rollup.resolveChallenge(game, inputs, abi.encode(state));
        }
        if (step != abi.decode(inputs, (uint64))) {
            vm.expectRevert(
                abi.encodeWithSignature("OtherStep(uint64,uint64)", step, abi.decode(inputs, (uint64)))
            );
            rollup.resolveChallenge(game, abi.encode(step), preState);
        }
        require(!rollup.challenges(game).resolved, "nothing was decided");
        IInteractiveFraudProof(address(rollup)).resolveChallenge(game, inputs, preState);
        _is(id, IOptimisticRollup.Status.Rejected);
    }

    function _trueParent() private returns (bytes32) {
        return rollup.stateRoots(_propose(ALICE, _trueRoot(1), genesis)).key;
    }
}
