// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title Binary keccak tree of fixed depth, known by its root alone
/// @author Proofmill
/// @notice Opens, changes and appends leaves by their siblings. An empty leaf is 0, node = keccak256(left || right).
/// @dev All reverts here mean a bad witness: whoever sent it proved nothing.
library MerkleTree {
    /// @notice A path has another length than the tree has levels.
    /// @param got Siblings that were given.
    /// @param expected Levels of the tree.
    error SiblingCount(uint256 got, uint256 expected);

    /// @notice The slot is outside of the tree. Without this check, slot and slot + 2^depth would be one leaf.
    /// @param slot The slot.
    /// @param depth Levels of the tree.
    error SlotOutsideTree(uint256 slot, uint256 depth);

    /// @notice Leaf and path lead to another root.
    /// @param slot Position of the leaf.
    /// @param got Where they lead.
    /// @param expected The root.
    error OpeningMismatch(uint256 slot, bytes32 got, bytes32 expected);

    /// @notice Refuse a leaf that is not in a tree.
    /// @param root The tree.
    /// @param depth Its levels.
    /// @param slot Position of the leaf.
    /// @param leaf The leaf; 0 claims that the slot is empty.
    /// @param siblings The sibling on each level, from the leaf up.
    function verify(bytes32 root, uint256 depth, uint256 slot, bytes32 leaf, bytes32[] memory siblings) internal pure {
        if (siblings.length != depth) revert SiblingCount(siblings.length, depth);
        if (slot >> depth != 0) revert SlotOutsideTree(slot, depth);
        bytes32 got = climb(leaf, slot, siblings);
        if (got != root) revert OpeningMismatch(slot, got, root);
    }

    /// @notice Change one leaf.
    /// @dev Equal siblings before and after: every other leaf stays what it was.
    /// @param root The tree.
    /// @param depth Its levels.
    /// @param slot Position of the leaf.
    /// @param before What the slot holds.
    /// @param afterwards What it shall hold.
    /// @param siblings The sibling on each level, from the leaf up.
    /// @return newRoot The tree afterwards.
    function update(
        bytes32 root,
        uint256 depth,
        uint256 slot,
        bytes32 before,
        bytes32 afterwards,
        bytes32[] memory siblings
    ) internal pure returns (bytes32 newRoot) {
        verify(root, depth, slot, before, siblings);
        return climb(afterwards, slot, siblings);
    }

    /// @notice Fill the first empty slot.
    /// @param root The tree.
    /// @param depth Its levels.
    /// @param count Slots in use, so the position of the new leaf; it is proven empty.
    /// @param leaf The new leaf.
    /// @param siblings The sibling on each level, from the slot up.
    /// @return newRoot The tree afterwards.
    function append(
        bytes32 root,
        uint256 depth,
        uint256 count,
        bytes32 leaf,
        bytes32[] memory siblings
    ) internal pure returns (bytes32 newRoot) {
        return update(root, depth, count, 0, leaf, siblings);
    }

    /// @notice Root that a leaf and its path lead to.
    /// @param leaf The leaf.
    /// @param slot Its position, below 2^siblings.length: for the caller to check.
    /// @param siblings The sibling on each level, from the leaf up.
    /// @return node The root.
    function climb(bytes32 leaf, uint256 slot, bytes32[] memory siblings) internal pure returns (bytes32 node) {
        node = leaf;
        uint256 depth = siblings.length;
        for (uint256 i = 0; i < depth; ++i) {
            node = (slot >> i) & 1 == 0
                ? Hashes.efficientKeccak256(node, siblings[i])
                : Hashes.efficientKeccak256(siblings[i], node);
        }
    }

    /// @notice Root of a tree without leaves.
    /// @param depth Its levels.
    /// @return node The root.
    function emptyRoot(uint256 depth) internal pure returns (bytes32 node) {
        for (uint256 i = 0; i < depth; ++i) node = Hashes.efficientKeccak256(node, node);
    }
}
