// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev keccak256("proofmill.message.v1"): separates these hashes from every other use of keccak256.
bytes32 constant MESSAGE_TAG = keccak256("proofmill.message.v1");

/// @dev Version of the fields under the tag.
uint256 constant MESSAGE_VERSION = 1;

/// @dev Domain number of L1; a rollup's own number is never 0.
uint32 constant L1_DOMAIN = 0;

/// @notice What one domain tells another: a call with money.
/// @param sender Who sent it in the source domain.
/// @param target Who receives it in the destination domain.
/// @param data What the target is called with; empty for a plain payment.
/// @param value Money that travels along, in wei.
/// @param gasLimit Gas that the call is promised; 0 for a plain payment.
/// @param nonce Unique for one source bridge, so that two equal messages are two leaves.
struct Message {
    address sender;
    address target;
    bytes data;
    uint256 value;
    uint256 gasLimit;
    uint256 nonce;
}

/// @title The one leaf of every exit tree
/// @author Proofmill
/// @notice Rollups and bridges hash messages only here, so that a proof made for one is read alike by all.
/// @dev A leaf is a hash of 352 bytes and a tree's node of 64, so neither can pass for the other. Source domain, source
/// bridge and nonce together name a message once: who pays leaves must accept only those whose source bridge is
/// the one registered for the source domain.
library MessageLeaf {
    /// @notice Hash a message and its way.
    /// @param sourceDomain Domain that it leaves.
    /// @param destDomain Domain that it goes to.
    /// @param sourceBridge Contract that vouches for it in the source domain.
    /// @param message The message.
    /// @return leaf Hash over tag, version, way and every field, each in a word of its own.
    function hash(
        uint32 sourceDomain,
        uint32 destDomain,
        address sourceBridge,
        Message memory message
    ) internal pure returns (bytes32 leaf) {
        return
            keccak256(
                abi.encode(
                    MESSAGE_TAG,
                    MESSAGE_VERSION,
                    sourceDomain,
                    destDomain,
                    sourceBridge,
                    message.sender,
                    message.target,
                    message.value,
                    message.gasLimit,
                    message.nonce,
                    keccak256(message.data)
                )
            );
    }
}
