// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";

/// @title What a channel's address commits to
/// @author Proofmill
/// @notice Written by the factory behind a clone's code, read by the channel: 84 bytes, which cost a third of what
/// storage would.
library CloneTerms {
    /// @notice What two parties agree on.
    /// @param alice First party: who deposits as Alice and gets Alice's part. May be a contract.
    /// @param bob Second party.
    /// @param aliceSigner Key that signs for Alice; may be the key of `alice` itself.
    /// @param bobSigner Key that signs for Bob.
    /// @param challengePeriod Seconds to answer a dispute.
    struct Terms {
        address alice;
        address bob;
        address aliceSigner;
        address bobSigner;
        uint32 challengePeriod;
    }

    /// @notice The terms of a clone.
    /// @param clone A channel that the factory made; of other contracts this reads nonsense.
    /// @return terms Its terms.
    function read(address clone) internal view returns (Terms memory terms) {
        bytes memory packed = Clones.fetchCloneArgs(clone);
        terms.alice = address(bytes20(packed));
        terms.bob = address(bytes20(Bytes.slice(packed, 20)));
        terms.aliceSigner = address(bytes20(Bytes.slice(packed, 40)));
        terms.bobSigner = address(bytes20(Bytes.slice(packed, 60)));
        terms.challengePeriod = uint32(bytes4(Bytes.slice(packed, 80)));
    }

    /// @notice The terms as they stand in the code.
    /// @param terms The terms.
    /// @return packed 84 bytes.
    function pack(Terms calldata terms) internal pure returns (bytes memory packed) {
        return
            abi.encodePacked(
                terms.alice,
                terms.bob,
                terms.aliceSigner,
                terms.bobSigner,
                terms.challengePeriod
            );
    }
}
