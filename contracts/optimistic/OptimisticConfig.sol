// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptimisticRollup} from "./IOptimisticRollup.sol";

/// @title Bounds of a deployment
/// @author Proofmill
/// @notice A deployment outside them could not work, or its users could not trust it. Checked once, in the constructor.
library OptimisticConfig {
    /// @dev Stakes that nobody could raise leave proposing and disputing to the rich.
    uint256 private constant MAX_STAKE_WEI = 1_000 ether;
    /// @dev Money that leaves would wait longer than its owners.
    uint256 private constant MAX_PERIOD_SECONDS = 30 days;
    /// @dev A batch has at most 1,024 records and the queue's entries: the steps of a claim stay far below 2^64.
    uint256 private constant MAX_MAX_BATCHES = 65_536;

    /// @notice Refuse what cannot work.
    /// @param config A configuration.
    /// @return same The configuration.
    function checked(
        IOptimisticRollup.Config memory config
    ) internal pure returns (IOptimisticRollup.Config memory same) {
        // Two, since half of it is the winner's and half is burned.
        _check("proposerBondWei", config.proposerBondWei, 2, MAX_STAKE_WEI);
        _check("challengeDepositWei", config.challengeDepositWei, 1, MAX_STAKE_WEI);
        _check("challengePeriodSeconds", config.challengePeriodSeconds, 1, MAX_PERIOD_SECONDS);
        _check("clockSeconds", config.clockSeconds, 1, MAX_PERIOD_SECONDS);
        _check("graceSeconds", config.graceSeconds, 0, MAX_PERIOD_SECONDS);
        _check("maxBatches", config.maxBatches, 1, MAX_MAX_BATCHES);
        return config;
    }

    function _check(string memory field, uint256 got, uint256 minimum, uint256 maximum) private pure {
        if (got < minimum || got > maximum) revert IOptimisticRollup.ConfigOutOfRange(field, got, minimum, maximum);
    }
}
