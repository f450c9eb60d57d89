// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchData} from "../zk/BatchData.sol";
import {IVerifier} from "../zk/IVerifier.sol";
import {ZKRollup} from "../zk/ZKRollup.sol";

/// @title A rollup with a hole: the challenge covers the chain's data, not the circuit's commitment h
/// @author Proofmill
/// @dev For the test that robs it. Everything else is the real contract.
contract WeakBindingCommitment is ZKRollup {
    constructor(
        IVerifier verifier_,
        bytes32 genesisStateRoot,
        Config memory config_
    ) ZKRollup(verifier_, genesisStateRoot, config_) {}

    function _challenge(uint256[] memory d, uint256) internal view override returns (uint256 z) {
        return BatchData.challenge(this.circuitId(), d, 0);
    }
}
