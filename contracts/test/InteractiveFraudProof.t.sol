// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInteractiveFraudProof} from "../optimistic/IInteractiveFraudProof.sol";
import {CountingGame, countOn} from "./CountingGame.sol";
import {bound, vm} from "./Vm.sol";

/// @dev The rules of the game, apart from money: one machine, one honest side, every kind of liar.
contract InteractiveFraudProofTest {
    address private constant DEFENDER = address(0xdef);
    address private constant CHALLENGER = address(0xca1);
    address private constant ANYBODY = address(0xa11);
    uint24 private constant CLOCK = 1000;
    uint64 private constant ROOT = 7;
    uint64 private constant START = 1_000_000;
    bytes32 private constant AGREED = bytes32(uint256(100));

    /// @dev How a liar answers.
    enum Lie {
        FromTheFirstWrongStep, // the truth before it, and consistently something else after it
        Always,
        OnlyAtTheEnd, // the truth in every middle
        AtRandom,
        Stall // the truth or not, and at some point nothing any more
    }

    CountingGame private game;
    bytes32[] private trace;

    function setUp() public {
        game = _create(CLOCK);
        vm.warp(START);
    }

    function test_honestSideWinsFromEveryFirstWrongStep() public {
        uint64[7] memory sizes = [uint64(1), 2, 3, 5, 8, 17, 64];
        for (uint256 i = 0; i < sizes.length; i++) {
            for (uint64 wrong = 1; wrong <= sizes[i]; wrong++) {
                for (uint256 lie = 0; lie < 4; lie++) {
                    bytes32 seed = keccak256(abi.encode(sizes[i], wrong, lie));
                    _lyingDefenderLoses(sizes[i], wrong, Lie(lie), seed);
                }
            }
            for (uint256 round = 0; round < 8; round++) {
                _lyingChallengerLoses(sizes[i], keccak256(abi.encode(sizes[i], round)), round == 7);
            }
        }
    }

    function testFuzz_honestChallengerWins(uint64 steps, uint64 wrong, uint8 lie, bytes32 seed) public {
        steps = uint64(bound(steps, 1, 1024));
        wrong = uint64(bound(wrong, 1, steps));
        _lyingDefenderLoses(steps, wrong, Lie(lie % 5), seed);
    }

    function testFuzz_honestDefenderWins(uint64 steps, bytes32 seed, bool stalls) public {
        _lyingChallengerLoses(uint64(bound(steps, 1, 1024)), seed, stalls);
    }

    /// @dev For every number of instructions that fits: the middle cannot overflow.
    function testFuzz_middleLiesBetween(uint64 steps, bool[40] calldata answers) public {
        steps = uint64(bound(steps, 2, type(uint64).max));
        uint64 id = _begin(steps, AGREED, 0);
        for (uint256 i = 0; i < answers.length; i++) {
            IInteractiveFraudProof.Challenge memory before = game.challenges(id);
            if (before.hi - before.lo == 1) break;
            vm.prank(DEFENDER);
            game.bisect(id, bytes32(i));
            vm.prank(CHALLENGER);
            game.choose(id, answers[i]);
            IInteractiveFraudProof.Challenge memory afterwards = game.challenges(id);
            require(afterwards.lo >= before.lo && afterwards.hi <= before.hi, "inside");
            require(afterwards.hi - afterwards.lo < before.hi - before.lo, "smaller");
            uint64 range = before.hi - before.lo;
            require(afterwards.hi - afterwards.lo <= range - range / 2, "half");
        }
    }

    function test_storesWhatWasSaid() public {
        uint64 id = _begin(8, AGREED, "end");
        require(id == 1 && game.challengeCount() == 1 && game.clock() == CLOCK, "first");
        IInteractiveFraudProof.Challenge memory c = game.challenges(id);
        require(c.rootId == ROOT && c.challenger == CHALLENGER && c.lo == 0 && c.hi == 8, "range");
        require(c.loState == AGREED && c.hiState == "end" && !c.resolved, "states");
        require(c.turn == IInteractiveFraudProof.Turn.Defender && c.lastMove == START, "turn");
        require(c.clockDefender == CLOCK && c.clockChallenger == CLOCK, "clocks");

        vm.warp(START + 10);
        _bisect(id, "four");
        c = game.challenges(id);
        require(c.midState == "four" && c.turn == IInteractiveFraudProof.Turn.Challenger, "bisected");
        require(c.clockDefender == CLOCK - 10 && c.clockChallenger == CLOCK && c.lastMove == START + 10, "one clock");

        vm.warp(START + 17);
        _choose(id, true);
        c = game.challenges(id);
        require(c.lo == 4 && c.hi == 8 && c.loState == "four" && c.hiState == "end", "agreed");
        require(c.clockDefender == CLOCK - 10 && c.clockChallenger == CLOCK - 7, "other clock");

        _bisect(id, "six");
        _choose(id, false);
        c = game.challenges(id);
        require(c.lo == 4 && c.hi == 6 && c.loState == "four" && c.hiState == "six", "denied");
    }

    function test_oneInstructionGoesStraightToTheStep() public {
        uint64 id = _begin(1, AGREED, "wrong");
        require(game.challenges(id).turn == IInteractiveFraudProof.Turn.Challenger, "turn");
        _resolve(id, 0, AGREED);
        require(game.challengerWon(id) && game.settled(id) == 1, "won");
    }

    function test_stepIsForAnybody() public {
        uint64 id = _begin(1, AGREED, countOn(AGREED, 0));
        vm.prank(ANYBODY);
        game.resolveChallenge(id, abi.encode(uint64(0)), abi.encode(AGREED));
        require(!game.challengerWon(id) && game.settled(id) == 1, "defended");
    }

    function test_badWitnessProvesNothing() public {
        uint64 id = _begin(1, AGREED, "wrong");
        vm.expectRevert(abi.encodeWithSelector(CountingGame.OtherState.selector, bytes32("other"), AGREED));
        game.resolveChallenge(id, abi.encode(uint64(0)), abi.encode(bytes32("other")));
        vm.expectRevert(abi.encodeWithSelector(CountingGame.OtherInputs.selector, 1, 0));
        game.resolveChallenge(id, abi.encode(uint64(1)), abi.encode(AGREED));
        require(game.settled(id) == 0 && !game.challenges(id).resolved, "open");
    }

    function test_turnsAndPlayers() public {
        uint64 id = _begin(8, AGREED, "end");
        _refuse(IInteractiveFraudProof.NotThePlayer.selector, CHALLENGER, DEFENDER);
        vm.prank(CHALLENGER);
        game.bisect(id, 0);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.WrongTurn.selector, id, 0));
        vm.prank(CHALLENGER);
        game.choose(id, true);

        _bisect(id, "four");
        // No second word: the middle stands.
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.WrongTurn.selector, id, 1));
        vm.prank(DEFENDER);
        game.bisect(id, "another four");
        _refuse(IInteractiveFraudProof.NotThePlayer.selector, DEFENDER, CHALLENGER);
        vm.prank(DEFENDER);
        game.choose(id, true);
        _choose(id, true);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.WrongTurn.selector, id, 0));
        vm.prank(CHALLENGER);
        game.choose(id, false);
    }

    function test_stepOnlyOfOneInstructionAndChoiceOnlyOfMore() public {
        uint64 id = _begin(3, AGREED, "end");
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.StepNotIsolated.selector, id, 0, 3));
        game.resolveChallenge(id, abi.encode(uint64(0)), abi.encode(AGREED));
        _bisect(id, "one");
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.StepNotIsolated.selector, id, 0, 3));
        game.resolveChallenge(id, abi.encode(uint64(0)), abi.encode(AGREED));
        _choose(id, false);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.StepIsolated.selector, id, 0));
        vm.prank(CHALLENGER);
        game.choose(id, false);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.WrongTurn.selector, id, 1));
        vm.prank(DEFENDER);
        game.bisect(id, "half");
    }

    function test_defenderHasItsWholeClockAndNoSecondMore() public {
        uint256[3] memory times = [uint256(CLOCK) - 1, CLOCK, CLOCK + 1];
        for (uint256 i = 0; i < times.length; i++) {
            vm.warp(START);
            uint64 id = _begin(8, AGREED, "end");
            vm.warp(START + times[i]);
            if (times[i] <= CLOCK) {
                vm.expectRevert(
                    abi.encodeWithSelector(IInteractiveFraudProof.ClockStillRuns.selector, id, times[i], CLOCK)
                );
                game.claimTimeout(id);
                _bisect(id, "four");
                require(game.challenges(id).clockDefender == CLOCK - times[i], "left");
            } else {
                vm.expectRevert(
                    abi.encodeWithSelector(IInteractiveFraudProof.ClockRanOut.selector, id, times[i], CLOCK)
                );
                vm.prank(DEFENDER);
                game.bisect(id, "four");
                vm.prank(ANYBODY);
                game.claimTimeout(id);
                require(game.challengerWon(id) && game.settled(id) == 1, "timeout");
            }
        }
    }

    function test_challengerHasItsWholeClockAndNoSecondMore() public {
        uint256[3] memory times = [uint256(CLOCK) - 1, CLOCK, CLOCK + 1];
        for (uint256 i = 0; i < times.length; i++) {
            vm.warp(START);
            uint64 id = _begin(8, AGREED, "end");
            vm.warp(START + 5);
            _bisect(id, "four");
            vm.warp(START + 5 + times[i]);
            if (times[i] <= CLOCK) {
                vm.expectRevert(
                    abi.encodeWithSelector(IInteractiveFraudProof.ClockStillRuns.selector, id, times[i], CLOCK)
                );
                game.claimTimeout(id);
                _choose(id, false);
                require(game.challenges(id).clockChallenger == CLOCK - times[i], "left");
                require(game.challenges(id).clockDefender == CLOCK - 5, "the defender's did not run");
            } else {
                vm.expectRevert(
                    abi.encodeWithSelector(IInteractiveFraudProof.ClockRanOut.selector, id, times[i], CLOCK)
                );
                vm.prank(CHALLENGER);
                game.choose(id, false);
                game.claimTimeout(id);
                require(!game.challengerWon(id) && game.settled(id) == 1, "timeout");
            }
        }
    }

    function test_stepWithinTheChallengersClock() public {
        uint256[3] memory times = [uint256(CLOCK) - 1, CLOCK, CLOCK + 1];
        for (uint256 i = 0; i < times.length; i++) {
            vm.warp(START);
            uint64 id = _begin(1, AGREED, "wrong");
            vm.warp(START + times[i]);
            if (times[i] <= CLOCK) {
                _resolve(id, 0, AGREED);
                require(game.challengerWon(id), "in time");
            } else {
                vm.expectRevert(
                    abi.encodeWithSelector(IInteractiveFraudProof.ClockRanOut.selector, id, times[i], CLOCK)
                );
                _resolve(id, 0, AGREED);
                game.claimTimeout(id);
                require(!game.challengerWon(id), "burden of proof");
            }
        }
    }

    /// @dev A clock that is used up still lets its owner move in the same second, and no later.
    function test_usedUpClock() public {
        uint64 id = _begin(8, AGREED, "end");
        vm.warp(START + CLOCK);
        _bisect(id, "four");
        _choose(id, false);
        _bisect(id, "two");
        _choose(id, false);
        vm.warp(START + CLOCK + 1);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.ClockRanOut.selector, id, 1, 0));
        vm.prank(DEFENDER);
        game.bisect(id, "one");
        game.claimTimeout(id);
        require(game.challengerWon(id), "timeout");
    }

    function test_nothingAfterTheEnd() public {
        uint64[3] memory ids = [_begin(1, AGREED, "wrong"), _begin(8, AGREED, "end"), _begin(8, AGREED, "end")];
        _resolve(ids[0], 0, AGREED);
        game.abandon(ids[2]);
        vm.warp(START + CLOCK + 1);
        game.claimTimeout(ids[1]);
        for (uint256 i = 0; i < ids.length; i++) _everythingIsOver(ids[i]);
        require(game.settled(ids[0]) == 1 && game.settled(ids[1]) == 1 && game.settled(ids[2]) == 0, "once");
    }

    function test_noMovesAboutADecidedClaim() public {
        uint64 id = _begin(8, AGREED, "end");
        uint64 step = _begin(1, AGREED, "end");
        game.decide(ROOT);
        vm.warp(START + CLOCK + 1);
        bytes memory decided = abi.encodeWithSelector(CountingGame.Decided.selector, ROOT);
        vm.expectRevert(decided);
        game.claimTimeout(id);
        vm.warp(START);
        vm.expectRevert(decided);
        vm.prank(DEFENDER);
        game.bisect(id, 0);
        vm.expectRevert(decided);
        vm.prank(CHALLENGER);
        game.choose(id, true);
        vm.expectRevert(decided);
        _resolve(step, 0, AGREED);
    }

    function test_unknownGame() public {
        bytes memory unknown = abi.encodeWithSelector(IInteractiveFraudProof.ChallengeUnknown.selector, 1);
        vm.expectRevert(unknown);
        game.bisect(1, 0);
        vm.expectRevert(unknown);
        game.choose(1, true);
        vm.expectRevert(unknown);
        game.resolveChallenge(1, "", "");
        vm.expectRevert(unknown);
        game.claimTimeout(1);
        vm.expectRevert(unknown);
        game.challenges(1);
        vm.expectRevert(unknown);
        game.abandon(1);
    }

    /// @dev A weakened copy, in the tests that show what its weakness costs.
    function _create(uint24 clockSeconds) internal virtual returns (CountingGame) {
        return new CountingGame(clockSeconds);
    }

    /// @dev A proposer that says a wrong end, against a challenger that says what it sees in the true trace.
    function _lyingDefenderLoses(uint64 steps, uint64 wrong, Lie lie, bytes32 seed) private {
        _makeTrace(steps);
        uint64 id = _begin(steps, AGREED, _false(steps, seed));
        uint256 transactions = 1;
        uint256 start = block.timestamp;
        while (true) {
            IInteractiveFraudProof.Challenge memory c = game.challenges(id);
            if (c.hi - c.lo == 1) break;
            seed = keccak256(abi.encode(seed));
            if (lie == Lie.Stall && uint256(seed) % 3 == 0) {
                vm.warp(block.timestamp + c.clockDefender + 1);
                game.claimTimeout(id);
                require(game.challengerWon(id), "stalled");
                return;
            }
            vm.warp(block.timestamp + (uint256(seed >> 8) % (uint256(c.clockDefender) + 1)));
            uint64 mid = c.lo + (c.hi - c.lo) / 2;
            _bisect(id, _said(mid, wrong, lie, seed));
            vm.warp(block.timestamp + (uint256(seed >> 64) % 20));
            _choose(id, game.challenges(id).midState == trace[mid]);
            transactions += 2;
        }
        IInteractiveFraudProof.Challenge memory last = game.challenges(id);
        require(last.loState == trace[last.lo] && last.hiState != trace[last.hi], "what the argument says");
        _resolve(id, last.lo, last.loState);
        require(game.challengerWon(id) && game.settled(id) == 1, "the lie lost");
        require(transactions + 1 <= 2 * _log2Ceil(steps) + 2, "transactions");
        require(block.timestamp - start <= 2 * uint256(CLOCK), "time");
    }

    /// @dev A challenger that says anything, against a proposer that says the truth.
    function _lyingChallengerLoses(uint64 steps, bytes32 seed, bool stalls) private {
        _makeTrace(steps);
        uint64 id = _begin(steps, AGREED, trace[steps]);
        while (true) {
            IInteractiveFraudProof.Challenge memory c = game.challenges(id);
            seed = keccak256(abi.encode(seed));
            bool stop = stalls && uint256(seed) % 4 == 0;
            if (c.hi - c.lo == 1) {
                if (stop) {
                    vm.warp(block.timestamp + c.clockChallenger + 1);
                    game.claimTimeout(id);
                } else {
                    _resolve(id, c.lo, c.loState);
                }
                break;
            }
            uint64 mid = c.lo + (c.hi - c.lo) / 2;
            _bisect(id, trace[mid]);
            if (stop) {
                vm.warp(block.timestamp + c.clockChallenger + 1);
                game.claimTimeout(id);
                break;
            }
            vm.warp(block.timestamp + (uint256(seed >> 8) % (uint256(c.clockChallenger) + 1)));
            _choose(id, uint256(seed >> 128) % 2 == 0);
        }
        require(!game.challengerWon(id) && game.settled(id) == 1, "the truth won");
    }

    function _said(uint64 mid, uint64 wrong, Lie lie, bytes32 seed) private view returns (bytes32) {
        if (lie == Lie.FromTheFirstWrongStep) return mid < wrong ? trace[mid] : _false(mid, seed);
        if (lie == Lie.Always) return _false(mid, seed);
        if (lie == Lie.OnlyAtTheEnd) return trace[mid];
        return uint256(seed >> 32) % 2 == 0 ? trace[mid] : _false(mid, seed);
    }

    function _makeTrace(uint64 steps) private {
        delete trace;
        trace.push(AGREED);
        for (uint64 i = 0; i < steps; i++) trace.push(countOn(trace[i], i));
    }

    function _begin(uint64 steps, bytes32 agreed, bytes32 claimed) private returns (uint64) {
        vm.prank(CHALLENGER);
        return game.begin(ROOT, DEFENDER, steps, agreed, claimed);
    }

    function _bisect(uint64 id, bytes32 midState) private {
        vm.prank(DEFENDER);
        game.bisect(id, midState);
    }

    function _choose(uint64 id, bool agree) private {
        vm.prank(CHALLENGER);
        game.choose(id, agree);
    }

    function _resolve(uint64 id, uint64 step, bytes32 state) private {
        game.resolveChallenge(id, abi.encode(step), abi.encode(state));
    }

    function _refuse(bytes4 selector, address caller, address player) private {
        vm.expectRevert(abi.encodeWithSelector(selector, caller, player));
    }

    function _everythingIsOver(uint64 id) private {
        bytes memory over = abi.encodeWithSelector(IInteractiveFraudProof.ChallengeOver.selector, id);
        vm.expectRevert(over);
        vm.prank(DEFENDER);
        game.bisect(id, 0);
        vm.expectRevert(over);
        vm.prank(CHALLENGER);
        game.choose(id, true);
        vm.expectRevert(over);
        _resolve(id, 0, AGREED);
        vm.expectRevert(over);
        game.claimTimeout(id);
        vm.expectRevert(over);
        game.abandon(id);
    }

    /// @dev Something that is not the state after `steps` instructions; sometimes a state that is near it.
    function _false(uint64 steps, bytes32 seed) private view returns (bytes32 state) {
        state = uint256(seed) % 2 == 0 ? keccak256(abi.encode(steps)) : bytes32(uint256(trace[steps]) + 1);
    }

    function _log2Ceil(uint64 value) private pure returns (uint256 log) {
        while (uint256(1) << log < value) log++;
    }
}
