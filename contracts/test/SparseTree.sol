// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A binary keccak tree of any depth that knows its nodes
/// @author Proofmill
/// @dev The twin of MerkleTree for tests: it is changed leaf by leaf and hands out siblings.
library SparseTree {
    struct Tree {
        uint256 depth;
        bytes32[] empty; // root of an empty subtree, by height
        mapping(uint256 height => mapping(uint256 position => bytes32 node)) nodes;
    }

    function init(Tree storage tree, uint256 depth) internal {
        tree.depth = depth;
        bytes32 hash;
        for (uint256 height = 0; height <= depth; height++) {
            tree.empty.push(hash);
            hash = keccak256(bytes.concat(hash, hash));
        }
    }

    function root(Tree storage tree) internal view returns (bytes32) {
        return node(tree, tree.depth, 0);
    }

    function node(Tree storage tree, uint256 height, uint256 position) internal view returns (bytes32 value) {
        value = tree.nodes[height][position];
        if (value == 0) value = tree.empty[height];
    }

    function set(Tree storage tree, uint256 slot, bytes32 leaf) internal {
        tree.nodes[0][slot] = leaf;
        for (uint256 height = 1; height <= tree.depth; height++) {
            slot /= 2;
            bytes32 left = node(tree, height - 1, 2 * slot);
            bytes32 right = node(tree, height - 1, 2 * slot + 1);
            tree.nodes[height][slot] = keccak256(bytes.concat(left, right));
        }
    }

    function siblings(Tree storage tree, uint256 slot) internal view returns (bytes32[] memory path) {
        path = new bytes32[](tree.depth);
        for (uint256 height = 0; height < tree.depth; height++) {
            path[height] = node(tree, height, slot % 2 == 0 ? slot + 1 : slot - 1);
            slot /= 2;
        }
    }
}
