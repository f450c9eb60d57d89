// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The exit tree, as its definition says it
/// @author Proofmill
/// @dev All 2^depth leaves, no shortcut: the independent twin of ExitTree.
library SlowExitTree {
    function depth(uint256 slots) internal pure returns (uint256 levels) {
        while (2 ** levels < slots) levels++;
    }

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 levels = depth(leaves.length);
        return node(leaves, levels, 0);
    }

    /// @dev Node `position` of the level that is `height` above the leaves.
    function node(bytes32[] memory leaves, uint256 height, uint256 position) internal pure returns (bytes32) {
        if (height == 0) return position < leaves.length ? leaves[position] : bytes32(0);
        return
            keccak256(
                bytes.concat(node(leaves, height - 1, 2 * position), node(leaves, height - 1, 2 * position + 1))
            );
    }

    function proof(bytes32[] memory leaves, uint256 slot) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](depth(leaves.length));
        for (uint256 i = 0; i < siblings.length; i++) siblings[i] = node(leaves, i, (slot / 2 ** i) ^ 1);
    }
}
