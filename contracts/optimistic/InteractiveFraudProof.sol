// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInteractiveFraudProof} from "./IInteractiveFraudProof.sol";

/// @title The dispute game
/// @author Proofmill
/// @notice Bisection with two clocks. What a claim is, what one instruction does, and what a result means is left to
/// the contract that inherits.
/// @dev Why the honest party wins. At any moment of a game `loState` is what both hold for true, and `hiState` is what
/// the defender asserts and the challenger denies. It is so at the start, where `loState` is the parent claim, and
/// `choose` keeps it so, whichever half is taken. An honest challenger agrees exactly with true middles: `loState`
/// stays true and `hiState` false, and at the end one instruction is said to lead from a true state to a false one. An
/// honest defender names true middles: both states are true throughout, and the last instruction does lead from the one
/// to the other. What a party once said is in storage: nobody can say two things.
abstract contract InteractiveFraudProof is IInteractiveFraudProof {
    uint24 internal immutable CLOCK;

    uint64 private _challengeCount;
    mapping(uint64 challengeId => Challenge game) private _challenges;

    /// @notice No game yet.
    /// @param clockSeconds Time of each party in each game. The range is for the inheriting contract to check.
    constructor(uint24 clockSeconds) {
        CLOCK = clockSeconds;
    }

    /// @inheritdoc IInteractiveFraudProof
    function bisect(uint64 challengeId, bytes32 midState) external {
        (Challenge storage game, address defender) = _open(challengeId);
        _checkMove(challengeId, game, Turn.Defender, defender);
        game.clockDefender = _timeLeft(challengeId, game);
        game.turn = Turn.Challenger;
        game.lastMove = uint64(block.timestamp);
        game.midState = midState;
        emit Bisected(challengeId, _middle(game.lo, game.hi), midState);
    }

    /// @inheritdoc IInteractiveFraudProof
    function choose(uint64 challengeId, bool agree) external {
        (Challenge storage game, ) = _open(challengeId);
        _checkMove(challengeId, game, Turn.Challenger, game.challenger);
        if (game.hi - game.lo == 1) revert StepIsolated(challengeId, game.lo);
        game.clockChallenger = _timeLeft(challengeId, game);
        game.lastMove = uint64(block.timestamp);
        (uint64 lo, uint64 hi) = _narrow(game, agree);
        // With one instruction left it stays the challenger's turn: it is to show that the instruction leads elsewhere.
        if (hi - lo > 1) game.turn = Turn.Defender;
        emit Chosen(challengeId, agree, lo, hi);
    }

    /// @inheritdoc IInteractiveFraudProof
    function resolveChallenge(uint64 challengeId, bytes calldata inputs, bytes calldata preState) external {
        (Challenge storage game, ) = _open(challengeId);
        if (game.hi - game.lo != 1) revert StepNotIsolated(challengeId, game.lo, game.hi);
        _timeLeft(challengeId, game);
        _conclude(challengeId, verifyFraudProof(game, inputs, preState));
    }

    /// @inheritdoc IInteractiveFraudProof
    function claimTimeout(uint64 challengeId) external {
        (Challenge storage game, ) = _open(challengeId);
        (uint256 elapsed, uint256 left) = _clockOf(game);
        if (elapsed <= left) revert ClockStillRuns(challengeId, elapsed, left);
        _conclude(challengeId, game.turn == Turn.Defender);
    }

    /// @inheritdoc IInteractiveFraudProof
    function challenges(uint64 challengeId) external view returns (Challenge memory game) {
        return _known(challengeId);
    }

    /// @inheritdoc IInteractiveFraudProof
    function challengeCount() external view returns (uint64 count) {
        return _challengeCount;
    }

    /// @inheritdoc IInteractiveFraudProof
    function clock() external view returns (uint256 clockSeconds) {
        return CLOCK;
    }

    /// @dev Begins a game. The caller has checked that the claim can be disputed, and that there is an instruction.
    function _begin(
        uint64 rootId,
        uint64 instructions,
        bytes32 agreed,
        bytes32 claimed
    ) internal returns (uint64 challengeId) {
        challengeId = ++_challengeCount;
        _challenges[challengeId] = Challenge({
            rootId: rootId,
            challenger: msg.sender,
            lo: 0,
            hi: instructions,
            lastMove: uint64(block.timestamp),
            clockDefender: CLOCK,
            clockChallenger: CLOCK,
            turn: instructions == 1 ? Turn.Challenger : Turn.Defender,
            resolved: false,
            loState: agreed,
            hiState: claimed,
            midState: 0
        });
        emit ChallengeInitiated(challengeId, rootId, msg.sender, instructions);
    }

    /// @dev Ends a game without a result: what it was about has been decided elsewhere.
    function _abandon(uint64 challengeId) internal returns (Challenge storage game) {
        game = _running(challengeId);
        game.resolved = true;
    }

    /// @dev What follows from a result. The game is marked as over before this is called.
    function _settle(uint64 challengeId, Challenge storage game, bool challengerWon) internal virtual;

    /// @dev Takes the half that the challenger chose. Virtual, like the checks below, so that tests can show what
    /// weakened copies lose.
    function _narrow(Challenge storage game, bool agree) internal virtual returns (uint64 lo, uint64 hi) {
        (lo, hi) = (game.lo, game.hi);
        if (agree) {
            lo = _middle(lo, hi);
            game.lo = lo;
            game.loState = game.midState;
        } else {
            hi = _middle(lo, hi);
            game.hi = hi;
            game.hiState = game.midState;
        }
    }

    /// @dev Whether the one instruction that is left leads elsewhere than the defender says. The verdict is computed
    /// here and nobody's word; a witness that does not fit reverts and decides nothing.
    function verifyFraudProof(
        Challenge memory game,
        bytes calldata inputs,
        bytes calldata preState
    ) internal view virtual returns (bool fraud) {
        return _executeStep(game, inputs, preState) != game.hiState;
    }

    /// @dev State after instruction `game.lo` of the claim, executed on `game.loState`. Must be total: each state and
    /// instruction that both exist have exactly one result. Must revert for any other state or instruction.
    function _executeStep(
        Challenge memory game,
        bytes calldata inputs,
        bytes calldata preState
    ) internal view virtual returns (bytes32 postState);

    /// @dev Who made the claim. Reverts if the claim is decided: its games wait to be closed and cannot go on.
    function _defenderOf(uint64 rootId) internal view virtual returns (address defender);

    /// @dev Refuses whoever is not the player of this turn.
    function _checkMove(
        uint64 challengeId,
        Challenge storage game,
        Turn turn,
        address player
    ) internal view virtual {
        if (game.turn != turn) revert WrongTurn(challengeId, game.turn);
        if (msg.sender != player) revert NotThePlayer(msg.sender, player);
    }

    /// @dev Time used since the last move, and time that was left at it, of the party whose move it is.
    function _clockOf(Challenge storage game) internal view virtual returns (uint256 elapsed, uint256 left) {
        left = game.turn == Turn.Defender ? game.clockDefender : game.clockChallenger;
        return (block.timestamp - game.lastMove, left);
    }

    /// @dev A game that is not over.
    function _running(uint64 challengeId) internal view returns (Challenge storage game) {
        game = _known(challengeId);
        if (game.resolved) revert ChallengeOver(challengeId);
    }

    function _known(uint64 challengeId) internal view returns (Challenge storage game) {
        game = _challenges[challengeId];
        if (game.challenger == address(0)) revert ChallengeUnknown(challengeId);
    }

/// @dev Below `hi`, above `lo`: there are at least two instructions between them.
    function _middle(uint64 lo, uint64 hi) internal pure returns (uint64 mid) {
        return lo + (hi - lo) / 2;
    }

    function _conclude(uint64 challengeId, bool challengerWon) private {
        Challenge storage game = _challenges[challengeId];
        game.resolved = true;
        emit ChallengeResolved(challengeId, game.rootId, challengerWon);
        _settle(challengeId, game, challengerWon);
    }

    /// @dev A game in which moves count: it is not over, and neither is its claim.
    function _open(uint64 challengeId) private view returns (Challenge storage game, address defender) {
        game = _running(challengeId);
        defender = _defenderOf(game.rootId);
    }

    /// @dev What the party whose move it is has left, if it moves now. A move in the last second counts, a timeout only
    /// after it: of the two exactly one is possible at any time.
    function _timeLeft(uint64 challengeId, Challenge storage game) private view returns (uint24 left) {
        (uint256 elapsed, uint256 clockLeft) = _clockOf(game);
        if (elapsed > clockLeft) revert ClockRanOut(challengeId, elapsed, clockLeft);
        return uint24(clockLeft - elapsed);
    }
}
