// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Keccak tree over the exits of one block
/// @author Proofmill
/// @notice Commits to every exit of a block, so that each can be claimed by itself at any later time.
/// @dev Binary, full, of fixed depth; leaf position = slot; an empty leaf is 0; node = keccak256(left || right).
library ExitTree {
    /// @notice Levels above the leaves.
    /// @param slots Leaf positions in use, at least 1.
    /// @return levels The smallest depth with room for all slots.
    function depth(uint256 slots) internal pure returns (uint256 levels) {
        return Math.log2(slots, Math.Rounding.Ceil);
    }

    /// @notice Root over the given leaves; positions after the last one are empty.
    /// @param leaves One per slot, from slot 0. **Overwritten**: the tree is folded in place.
    /// @return node The root.
    function root(bytes32[] memory leaves) internal pure returns (bytes32 node) {
        uint256 width = leaves.length;
        bytes32 empty; // root of an empty subtree of the level's height
        for (uint256 level = depth(width); level != 0; --level) {
            bytes32 emptyParent = Hashes.efficientKeccak256(empty, empty);
            // Unchecked, since no number passes `width` by more than one.
            unchecked {
                for (uint256 i = 0; i < width; i += 2) {
                    bytes32 left = leaves[i];
                    bytes32 right = i + 1 < width ? leaves[i + 1] : empty;
                    // Most slots of most blocks are no exits: an empty pair needs no hash.
                    leaves[i / 2] = left == empty && right == empty
                        ? emptyParent
                        : Hashes.efficientKeccak256(left, right);
                }
                width = (width + 1) / 2;
            }
            empty = emptyParent;
        }
        return leaves[0];
    }

    /// @notice Root that a leaf and its path lead to.
    /// @param leaf The leaf.
    /// @param proof The sibling on each level, from the leaf up. Its length is for the caller to check.
    /// @param slot Position of the leaf, below 2^proof.length: for the caller to check as well.
    /// @return node The root.
    function climb(bytes32 leaf, bytes32[] calldata proof, uint256 slot) internal pure returns (bytes32 node) {
        node = leaf;
        for (uint256 i = 0; i < proof.length; ++i) {
            node = (slot >> i) & 1 == 0
                ? Hashes.efficientKeccak256(node, proof[i])
                : Hashes.efficientKeccak256(proof[i], node);
        }
    }
}
