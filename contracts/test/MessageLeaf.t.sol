// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Message, MessageLeaf} from "../bridge/MessageLeaf.sol";

contract MessageLeafTest {
    struct Full {
        uint32 sourceDomain;
        uint32 destDomain;
        address sourceBridge;
        Message message;
    }

    function test_tagAndVersionAreThePublishedOnes() public pure {
        bytes memory words = bytes.concat(
            abi.encode(keccak256("proofmill.message.v1"), uint256(1), uint256(7), uint256(0)),
            abi.encode(address(0xb1), address(0x5e), address(0x7a), uint256(11), uint256(12), uint256(13)),
            keccak256(hex"1234")
        );
        require(words.length == 352, "eleven words");
        Message memory message = Message(address(0x5e), address(0x7a), hex"1234", 11, 12, 13);
        require(MessageLeaf.hash(7, 0, address(0xb1), message) == keccak256(words), "leaf");
    }

    /// @dev Equal leaves of two messages mean equal messages: tried on pairs that differ in exactly one field.
    function testFuzz_everyFieldMovesTheLeaf(Full memory a, uint256 field, uint256 change) public pure {
        Full memory b = abi.decode(abi.encode(a), (Full));
        uint160 flip = uint160(change | 1);
        field %= 9;
        if (field == 0) b.sourceDomain ^= uint32(flip);
        if (field == 1) b.destDomain ^= uint32(flip);
        if (field == 2) b.sourceBridge = address(uint160(b.sourceBridge) ^ flip);
        if (field == 3) b.message.sender = address(uint160(b.message.sender) ^ flip);
        if (field == 4) b.message.target = address(uint160(b.message.target) ^ flip);
        if (field == 5) b.message.value ^= flip;
        if (field == 6) b.message.gasLimit ^= flip;
        if (field == 7) b.message.nonce ^= flip;
        if (field == 8) b.message.data = bytes.concat(b.message.data, bytes32(change));
        require(_leaf(a) != _leaf(b), "collision");
    }

    function testFuzz_equalMessagesHaveOneLeaf(Full memory a) public pure {
        require(_leaf(a) == _leaf(abi.decode(abi.encode(a), (Full))), "leaf");
    }

    function _leaf(Full memory m) private pure returns (bytes32) {
        return MessageLeaf.hash(m.sourceDomain, m.destDomain, m.sourceBridge, m.message);
    }
}
