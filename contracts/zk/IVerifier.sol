// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Groth16 verifier of one batch circuit
/// @author Proofmill
/// @notice Implemented by the contract that is generated from a verification key; nobody edits that contract.
interface IVerifier {
    /// @notice Check one proof.
    /// @param pA Point A in G1: x, y.
    /// @param pB Point B in G2, EIP-197 order: the imaginary part of each coordinate comes first.
    /// @param pC Point C in G1: x, y.
    /// @param publicSignals Previous root, new root, h, z, y: the order of circuits/signals.ts.
    /// @return valid Whether the proof shows that the circuit has a witness for these signals.
    function verifyProof(
        uint256[2] calldata pA,
        uint256[2][2] calldata pB,
        uint256[2] calldata pC,
        uint256[5] calldata publicSignals
    ) external view returns (bool valid);
}
