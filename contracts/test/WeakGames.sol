// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CountingGame, countOn} from "./CountingGame.sol";

/// @dev Games with one of the article's defects each. Everything else is the real contract.

/// @dev Every proof that is there convinces.
contract AnyProofGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function verifyFraudProof(
        Challenge memory,
        bytes calldata,
        bytes calldata preState
    ) internal pure override returns (bool) {
        return keccak256(preState) != 0;
    }
}

/// @dev Whoever resolves says who has won.
contract CallersVerdictGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function verifyFraudProof(
        Challenge memory,
        bytes calldata inputs,
        bytes calldata
    ) internal pure override returns (bool) {
        return abi.decode(inputs, (uint64)) != 0;
    }
}

/// @dev That an instruction does something stands for the claim being true.
contract ValidityIsTruthGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function verifyFraudProof(
        Challenge memory game,
        bytes calldata inputs,
        bytes calldata preState
    ) internal pure override returns (bool) {
        return _executeStep(game, inputs, preState) == game.loState;
    }
}

/// @dev Executes the last instruction on the state before the first.
contract FirstStateGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function _executeStep(
        Challenge memory game,
        bytes calldata,
        bytes calldata
    ) internal pure override returns (bytes32) {
        return countOn(bytes32(uint256(100)), game.lo);
    }
}

/// @dev Which instruction is executed is the caller's choice.
contract CallersInputsGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function _executeStep(
        Challenge memory,
        bytes calldata inputs,
        bytes calldata preState
    ) internal pure override returns (bytes32) {
        return countOn(abi.decode(preState, (bytes32)), abi.decode(inputs, (uint64)));
    }
}

/// @dev The state in the middle counts as that of one instruction later.
contract OffByOneGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function _narrow(Challenge storage game, bool agree) internal override returns (uint64 lo, uint64 hi) {
        (lo, hi) = super._narrow(game, agree);
        if (agree && hi - lo > 1) game.lo = ++lo;
    }
}

/// @dev Nobody's time ends.
contract EndlessGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function _clockOf(Challenge storage) internal pure override returns (uint256, uint256) {
        return (0, 1);
    }
}

/// @dev Each move gets the whole time anew.
contract FreshClockGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function _clockOf(Challenge storage game) internal view override returns (uint256 elapsed, uint256) {
        (elapsed, ) = super._clockOf(game);
        return (elapsed, CLOCK);
    }
}

/// @dev Anybody may move, and may move again.
contract LawlessGame is CountingGame {
    constructor(uint24 clockSeconds) CountingGame(clockSeconds) {}

    function _checkMove(uint64, Challenge storage, Turn, address) internal pure override {}
}
