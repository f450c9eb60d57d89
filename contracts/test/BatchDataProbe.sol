// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Message, MessageLeaf} from "../bridge/MessageLeaf.sol";
import {BatchData, L1Entry} from "../zk/BatchData.sol";
import {ExitTree} from "../zk/ExitTree.sol";
import {SlowBatchData} from "./SlowBatchData.sol";
import {SlowExitTree} from "./SlowExitTree.sol";

/// @title The libraries, callable
/// @author Proofmill
/// @dev For vectors made outside of this repository.
contract BatchDataProbe {
    struct Input {
        uint256 domain;
        uint256 blockNumber;
        L1Entry[] entries;
        uint256 nDeposits;
        uint256 nTx;
    }

    function elements(
        Input memory input,
        bytes calldata txData
    ) external pure returns (uint256[] memory fast, uint256[] memory slow) {
        fast = BatchData.elements(
            input.domain,
            input.blockNumber,
            input.entries,
            txData,
            input.nDeposits,
            input.nTx
        );
        slow = SlowBatchData.elements(
            input.domain,
            input.blockNumber,
            input.entries,
            txData,
            input.nDeposits,
            input.nTx
        );
    }

    function digest(uint256[] memory d) external pure returns (bytes32 fast, bytes32 slow) {
        return (BatchData.digest(d), SlowBatchData.digest(d));
    }

    function challenge(
        bytes32 circuitId,
        uint256[] memory d,
        uint256 h
    ) external pure returns (uint256 fast, uint256 slow) {
        return (BatchData.challenge(circuitId, d, h), SlowBatchData.challenge(circuitId, d, h));
    }

    function evaluate(uint256[] memory d, uint256 z) external pure returns (uint256 fast, uint256 slow) {
        return (BatchData.evaluate(d, z), SlowBatchData.evaluate(d, z));
    }

    function leaf(
        uint32 sourceDomain,
        uint32 destDomain,
        address sourceBridge,
        Message memory message
    ) external pure returns (bytes32) {
        return MessageLeaf.hash(sourceDomain, destDomain, sourceBridge, message);
    }

    function exitRoot(bytes32[] memory leaves) external pure returns (bytes32 fast, bytes32 slow) {
        slow = SlowExitTree.root(leaves);
        fast = ExitTree.root(leaves); // overwrites the leaves
    }

    function climb(bytes32 start, bytes32[] calldata proof, uint256 slot) external pure returns (bytes32) {
        return ExitTree.climb(start, proof, slot);
    }
}
