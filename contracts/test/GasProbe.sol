// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchData} from "../zk/BatchData.sol";
import {ExitTree} from "../zk/ExitTree.sol";
import {IVerifier} from "../zk/IVerifier.sol";
import {BatchDataProbe} from "./BatchDataProbe.sol";

/// @title Gas of the parts of commitBlock
/// @author Proofmill
contract GasProbe {
    /// @dev Gas of making d, of its digest with the challenge, and of the evaluation; calldata is not in it.
    function gasOfBinding(
        BatchDataProbe.Input memory input,
        bytes calldata txData,
        uint256 h
    ) external view returns (uint256 build, uint256 challengeGas, uint256 evaluateGas) {
        uint256 start = gasleft();
        uint256[] memory d = BatchData.elements(
            input.domain,
            input.blockNumber,
            input.entries,
            txData,
            input.nDeposits,
            input.nTx
        );
        build = start - gasleft();
        start = gasleft();
        uint256 z = BatchData.challenge(bytes32(0), d, h);
        challengeGas = start - gasleft();
        start = gasleft();
        uint256 y = BatchData.evaluate(d, z);
        evaluateGas = start - gasleft();
        require(y != 0, "used, or the optimizer drops it");
    }

    /// @dev Gas of folding a tree with this many exits, all other slots empty.
    function gasOfExitTree(uint256 slots, uint256 exits) external view returns (uint256 used) {
        bytes32[] memory leaves = new bytes32[](slots);
        for (uint256 i = 0; i < exits; i++) leaves[slots - 1 - i] = keccak256(abi.encode(i));
        uint256 start = gasleft();
        bytes32 root = ExitTree.root(leaves);
        used = start - gasleft();
        require(root != 0, "used, or the optimizer drops it");
    }

    /// @dev Gas of asking a verifier, the call with its 17 words included; its address is cold, as in commitBlock.
    function gasOfVerify(
        IVerifier verifier,
        uint256[2] calldata pA,
        uint256[2][2] calldata pB,
        uint256[2] calldata pC,
        uint256[5] calldata publicSignals
    ) external view returns (uint256 used) {
        uint256 start = gasleft();
        bool valid = verifier.verifyProof(pA, pB, pC, publicSignals);
        used = start - gasleft();
        require(valid, "measure a valid proof");
    }
}
