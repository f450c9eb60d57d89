// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InteractiveFraudProof} from "../optimistic/InteractiveFraudProof.sol";

/// @dev State after instruction `step`, executed on `state`: it counts, and every third instruction does nothing.
function countOn(bytes32 state, uint64 step) pure returns (bytes32) {
    return step % 3 == 2 ? state : bytes32(uint256(state) + 1);
}

/// @title The game about a machine that counts
/// @author Proofmill
/// @dev `preState` is the state itself; a claim is decided when the test says so.
contract CountingGame is InteractiveFraudProof {
    mapping(uint64 rootId => address defender) public defenders;
    mapping(uint64 rootId => bool isDecided) public decided;
    mapping(uint64 challengeId => uint256 times) public settled;
    mapping(uint64 challengeId => bool won) public challengerWon;

    error Decided(uint64 rootId);
    error OtherState(bytes32 got, bytes32 expected);
    error OtherInputs(uint64 got, uint64 expected);

    constructor(uint24 clockSeconds) InteractiveFraudProof(clockSeconds) {}

    function begin(
        uint64 rootId,
        address defender,
        uint64 instructions,
        bytes32 agreed,
        bytes32 claimed
    ) external returns (uint64) {
        defenders[rootId] = defender;
        return _begin(rootId, instructions, agreed, claimed);
    }

    function decide(uint64 rootId) external {
        decided[rootId] = true;
    }

    function abandon(uint64 challengeId) external {
        _abandon(challengeId);
    }

    function _settle(uint64 challengeId, Challenge storage, bool challengerWon_) internal override {
        settled[challengeId]++;
        challengerWon[challengeId] = challengerWon_;
    }

    function _executeStep(
        Challenge memory game,
        bytes calldata inputs,
        bytes calldata preState
    ) internal pure virtual override returns (bytes32) {
        bytes32 state = abi.decode(preState, (bytes32));
        if (state != game.loState) revert OtherState(state, game.loState);
        uint64 step = abi.decode(inputs, (uint64));
        if (step != game.lo) revert OtherInputs(step, game.lo);
        return countOn(state, step);
    }

    function _defenderOf(uint64 rootId) internal view override returns (address) {
        if (decided[rootId]) revert Decided(rootId);
        return defenders[rootId];
    }
}
