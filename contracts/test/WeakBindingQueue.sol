// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchData} from "../zk/BatchData.sol";
import {IVerifier} from "../zk/IVerifier.sol";
import {ZKRollup} from "../zk/ZKRollup.sol";

/// @title A rollup with a hole: the challenge covers the published bytes, not the queue
/// @author Proofmill
/// @dev For the test that robs it. Everything else is the real contract.
contract WeakBindingQueue is ZKRollup {
    constructor(
        IVerifier verifier_,
        bytes32 genesisStateRoot,
        Config memory config_
    ) ZKRollup(verifier_, genesisStateRoot, config_) {}

    function _challenge(uint256[] memory d, uint256 h) internal view override returns (uint256 z) {
        uint256[] memory published = new uint256[](d.length);
        uint256 firstRecord = 3 + 4 * this.config().nDeposits;
        for (uint256 i = 0; i < d.length; i++) {
            if (i < 3 || i >= firstRecord) published[i] = d[i];
        }
        return BatchData.challenge(this.circuitId(), published, h);
    }
}
