// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ExitTree} from "../zk/ExitTree.sol";
import {SlowExitTree} from "./SlowExitTree.sol";
import {bound} from "./Vm.sol";

contract ExitTreeTest {
    function climb(bytes32 leaf, bytes32[] calldata proof, uint256 slot) external pure returns (bytes32) {
        return ExitTree.climb(leaf, proof, slot);
    }

    function test_depthIsTheSmallestThatFits() public pure {
        for (uint256 slots = 1; slots <= 130; slots++) {
            require(ExitTree.depth(slots) == SlowExitTree.depth(slots), "depth");
        }
    }

    function testFuzz_rootIsTheDefinitions(bytes32[] memory leaves, uint256 slots, uint256 gaps) public pure {
        leaves = _leaves(leaves, slots, gaps);
        bytes32 expected = SlowExitTree.root(leaves);
        require(ExitTree.root(leaves) == expected, "root"); // overwrites the leaves
    }

    function testFuzz_everyLeafClimbsToTheRoot(bytes32[] memory leaves, uint256 slots, uint256 gaps) public view {
        leaves = _leaves(leaves, slots, gaps);
        bytes32 root = SlowExitTree.root(leaves);
        for (uint256 slot = 0; slot < leaves.length; slot++) {
            require(this.climb(leaves[slot], SlowExitTree.proof(leaves, slot), slot) == root, "path");
        }
    }

    function testFuzz_noOtherSlotClimbsToTheRoot(bytes32[] memory leaves, uint256 slot, uint256 other) public view {
        leaves = _leaves(leaves, 13, 0);
        slot = bound(slot, 0, 12);
        other = bound(other, 0, 15);
        if (other == slot) return;
        bytes32 climbed = this.climb(leaves[slot], SlowExitTree.proof(leaves, slot), other);
        require(climbed != SlowExitTree.root(leaves), "alias");
    }

    /// @dev 1 to 17 leaves, distinct but for those that `gaps` empties.
    function _leaves(
        bytes32[] memory random,
        uint256 slots,
        uint256 gaps
    ) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](bound(slots, 1, 17));
        for (uint256 i = 0; i < leaves.length; i++) {
            bytes32 salt = random.length == 0 ? bytes32(0) : random[i % random.length];
            if ((gaps >> i) & 1 == 0) leaves[i] = keccak256(abi.encode(salt, i));
        }
    }
}
