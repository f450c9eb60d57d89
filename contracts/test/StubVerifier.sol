// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVerifier} from "../zk/IVerifier.sol";

/// @title A verifier that proves nothing
/// @author Proofmill
/// @dev Only for tests of what the contract does around the proof; everything about proofs is tested with real ones.
contract StubVerifier is IVerifier {
    bool public answer = true;

    function set(bool answer_) external {
        answer = answer_;
    }

    /// @inheritdoc IVerifier
    function verifyProof(
        uint256[2] calldata,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[5] calldata
    ) external view returns (bool valid) {
        return answer;
    }
}
