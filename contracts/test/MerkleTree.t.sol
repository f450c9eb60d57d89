// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleTree} from "../ledger/MerkleTree.sol";
import {SparseTree} from "./SparseTree.sol";
import {bound, vm} from "./Vm.sol";

contract MerkleTreeTest {
    using SparseTree for SparseTree.Tree;

    uint256 private constant DEPTH = 9;
    uint256 private constant SLOTS = 1 << DEPTH;

    SparseTree.Tree private tree;

    function setUp() public {
        tree.init(DEPTH);
    }

    function verify(bytes32 root, uint256 depth, uint256 slot, bytes32 leaf, bytes32[] memory path) external pure {
        MerkleTree.verify(root, depth, slot, leaf, path);
    }

    function update(
        bytes32 root,
        uint256 slot,
        bytes32 before,
        bytes32 afterwards,
        bytes32[] memory path
    ) external pure returns (bytes32) {
        return MerkleTree.update(root, DEPTH, slot, before, afterwards, path);
    }

    function test_emptyRootIsThatOfEmptyLeaves() public view {
        require(MerkleTree.emptyRoot(DEPTH) == tree.root(), "root");
        require(MerkleTree.emptyRoot(0) == 0, "a tree of one leaf");
        require(MerkleTree.emptyRoot(1) == keccak256(new bytes(64)), "a tree of two");
    }

    function testFuzz_updateIsThatOfATreeThatKnowsItsLeaves(uint256[8] memory slots, bytes32[8] memory leaves) public {
        bytes32 root = MerkleTree.emptyRoot(DEPTH);
        for (uint256 i = 0; i < 8; i++) {
            uint256 slot = slots[i] % SLOTS;
            bytes32[] memory path = tree.siblings(slot);
            root = this.update(root, slot, tree.node(0, slot), leaves[i], path);
            tree.set(slot, leaves[i]);
            require(root == tree.root(), "root");
            this.verify(root, DEPTH, slot, leaves[i], path);
        }
    }

    function testFuzz_updateMovesNoOtherLeaf(uint256 slot, uint256 other, bytes32 leaf) public {
        _fill();
        slot = slot % SLOTS;
        other = other % SLOTS;
        if (slot == other) return;
        bytes32 kept = tree.node(0, other);
        bytes32 root = this.update(tree.root(), slot, tree.node(0, slot), leaf, tree.siblings(slot));
        tree.set(slot, leaf);
        this.verify(root, DEPTH, other, kept, tree.siblings(other));
    }

    function testFuzz_appendFillsSlotAfterSlot(uint256 count) public {
        count = bound(count, 1, 20);
        bytes32 root = MerkleTree.emptyRoot(DEPTH);
        for (uint256 slot = 0; slot < count; slot++) {
            bytes32 leaf = keccak256(abi.encode(slot));
            root = MerkleTree.append(root, DEPTH, slot, leaf, tree.siblings(slot));
            tree.set(slot, leaf);
        }
        require(root == tree.root(), "root");
    }

    /// @dev The defect would be to write over a message that somebody has not claimed yet.
    function testFuzz_appendOverwritesNothing(uint256 slot) public {
        _fill();
        slot = slot % 8;
        bytes32[] memory path = tree.siblings(slot);
        bytes32 root = tree.root();
        bytes32 got = MerkleTree.climb(0, slot, path);
        vm.expectRevert(abi.encodeWithSelector(MerkleTree.OpeningMismatch.selector, slot, got, root));
        this.append(root, slot, keccak256("new"), path);
    }

    function append(bytes32 root, uint256 slot, bytes32 leaf, bytes32[] memory path) external pure returns (bytes32) {
        return MerkleTree.append(root, DEPTH, slot, leaf, path);
    }

    function testFuzz_otherLeavesAreRefused(uint256 slot, bytes32 leaf) public {
        _fill();
        slot = slot % SLOTS;
        if (leaf == tree.node(0, slot)) return;
        _refuse(slot, leaf, tree.siblings(slot));
    }

    function testFuzz_otherSlotsAreRefused(uint256 slot, uint256 other) public {
        _fill();
        slot = slot % 8;
        other = other % SLOTS;
        if (slot == other) return;
        _refuse(other, tree.node(0, slot), tree.siblings(slot));
    }

    function testFuzz_otherSiblingsAreRefused(uint256 slot, uint256 level, uint256 bit) public {
        _fill();
        slot = slot % SLOTS;
        bytes32[] memory path = tree.siblings(slot);
        path[level % DEPTH] ^= bytes32(1 << (bit % 256));
        _refuse(slot, tree.node(0, slot), path);
    }

    /// @dev slot + k * 2^depth leads the same way up: without the bound it would be a second name of one leaf.
    function testFuzz_slotsOutsideAreRefused(uint256 slot) public {
        _fill();
        slot = bound(slot, SLOTS, type(uint256).max);
        bytes32[] memory path = tree.siblings(slot % SLOTS);
        bytes32 leaf = tree.node(0, slot % SLOTS);
        bytes32 root = tree.root();
        vm.expectRevert(abi.encodeWithSelector(MerkleTree.SlotOutsideTree.selector, slot, DEPTH));
        this.verify(root, DEPTH, slot, leaf, path);
    }

    /// @dev A shorter path would let a node pass for a leaf.
    function testFuzz_otherLengthsAreRefused(uint256 slot, uint256 length) public {
        _fill();
        slot = slot % SLOTS;
        length = bound(length, 0, 2 * DEPTH);
        if (length == DEPTH) return;
        bytes32[] memory full = tree.siblings(slot);
        bytes32[] memory path = new bytes32[](length);
        for (uint256 i = 0; i < length; i++) path[i] = full[i % DEPTH];
        bytes32 root = tree.root();
        bytes32 leaf = tree.node(0, slot);
        vm.expectRevert(abi.encodeWithSelector(MerkleTree.SiblingCount.selector, length, DEPTH));
        this.verify(root, DEPTH, slot, leaf, path);
    }

    function test_innerNodeIsNoLeaf() public {
        _fill();
        bytes32[] memory full = tree.siblings(0);
        bytes32[] memory path = new bytes32[](DEPTH - 1);
        for (uint256 i = 0; i + 1 < DEPTH; i++) path[i] = full[i + 1];
        bytes32 root = tree.root();
        bytes32 node = tree.node(1, 0);
        vm.expectRevert(abi.encodeWithSelector(MerkleTree.SiblingCount.selector, DEPTH - 1, DEPTH));
        this.verify(root, DEPTH, 0, node, path);
    }

    function _refuse(uint256 slot, bytes32 leaf, bytes32[] memory path) private {
        bytes32 root = tree.root();
        bytes32 got = MerkleTree.climb(leaf, slot, path);
        require(got != root, "another opening of the same root");
        vm.expectRevert(abi.encodeWithSelector(MerkleTree.OpeningMismatch.selector, slot, got, root));
        this.verify(root, DEPTH, slot, leaf, path);
    }

    function _fill() private {
        for (uint256 slot = 0; slot < 8; slot++) tree.set(slot, keccak256(abi.encode("leaf", slot)));
    }
}
