// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Calls that are meant for one chain of blocks, as a base contract
/// @author Proofmill
/// @notice A transaction that answers what its sender has seen must not count on another history: after a
/// reorganisation the same number can name another claim, and an honest answer to one question is a lie in another.
abstract contract CanonicalCall {
    /// @notice The block is not part of this chain, or older than 256 blocks.
    /// @param blockNumber Its number.
    /// @param got The hash that was given.
    /// @param actual The hash that this chain has, 0 if it does not know.
    error NotCanonical(uint256 blockNumber, bytes32 got, bytes32 actual);

    /// @notice Call a function of this contract, unless a block that the caller has seen is gone.
    /// @dev One call only: `msg.value` is there once. A hash is no source of randomness here; whoever could choose it
    /// would only void a call. 256 blocks are 51 minutes: what waits longer is made anew, on what is there then.
    /// @param blockNumber Number of the block.
    /// @param expectedHash Its hash.
    /// @param data Selector and arguments.
    /// @return result What the function returned.
    function callIfCanonical(
        uint256 blockNumber,
        bytes32 expectedHash,
        bytes calldata data
    ) external payable returns (bytes memory result) {
        // solhint-disable-next-line not-rely-on-block-hash
        bytes32 actual = blockhash(blockNumber);
        if (actual == 0 || actual != expectedHash) revert NotCanonical(blockNumber, expectedHash, actual);
        return Address.functionDelegateCall(address(this), data);
    }
}
