// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IZKRollup} from "./IZKRollup.sol";

/// @title Bounds of a deployment
/// @author Proofmill
/// @notice A deployment outside them could not work, or its users could not trust it. Checked once, in the constructor.
library RollupConfig {
    /// @dev A block of 1,024 transfers needs about 21 kB of data, and no circuit of ours comes near.
    uint256 private constant MAX_TRANSFERS = 1024;
    /// @dev An index then stays below 2^30, so neither a u32 index nor its successor overflows.
    uint256 private constant MAX_LEVELS = 15;
    /// @dev The header counts entries in one byte.
    uint256 private constant MAX_DEPOSITS = 255;
    /// @dev A fee that nobody would pay shuts the queue.
    uint256 private constant MAX_ENTRY_FEE_WEI = 1 ether;
    /// @dev 100 ether; a larger minimum shuts most users out.
    uint256 private constant MAX_MIN_DEPOSIT_GWEI = 100e9;
    /// @dev After this time at the latest the operator must serve the first waiting entry.
    uint256 private constant MAX_WINDOW_SECONDS = 30 days;
    /// @dev 2^32 entries spaced by this much still have a deadline below 2^64.
    uint256 private constant MAX_SPACING_SECONDS = 1 days;

    /// @notice Refuse what cannot work.
    /// @param config A configuration.
    /// @return same The configuration.
    function checked(IZKRollup.Config memory config) internal pure returns (IZKRollup.Config memory same) {
        _check("operator", uint160(config.operator), 1, type(uint160).max);
        _check("sourceDomain", config.sourceDomain, 1, type(uint32).max);
        _check("nTx", config.nTx, 1, MAX_TRANSFERS);
        _check("levels", config.levels, 1, MAX_LEVELS);
        _check("nDeposits", config.nDeposits, 1, MAX_DEPOSITS);
        _check("entryFeeWei", config.entryFeeWei, 1, MAX_ENTRY_FEE_WEI);
        _check("minDepositGwei", config.minDepositGwei, 1, MAX_MIN_DEPOSIT_GWEI);
        _check("inclusionWindowSeconds", config.inclusionWindowSeconds, 1, MAX_WINDOW_SECONDS);
        _check("spacingSeconds", config.spacingSeconds, 1, MAX_SPACING_SECONDS);
        return config;
    }

    function _check(string memory field, uint256 got, uint256 minimum, uint256 maximum) private pure {
        if (got < minimum || got > maximum) revert IZKRollup.ConfigOutOfRange(field, got, minimum, maximum);
    }
}
