// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelFactory} from "../channel/ChannelFactory.sol";
import {CloneTerms} from "../channel/CloneTerms.sol";
import {IPaymentChannel} from "../channel/IPaymentChannel.sol";
import {PaymentChannel} from "../channel/PaymentChannel.sol";
import {vm} from "./Vm.sol";

/// @title Two parties with keys, and everything they can sign
/// @author Proofmill
/// @dev Digests are made here from the published types, by another way than the contract's.
abstract contract ChannelTest {
    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);
    uint256 internal constant ALICE_KEY = 0xa11ce;
    uint256 internal constant BOB_KEY = 0xb0b;
    uint32 internal constant PERIOD = 1 days;

    ChannelFactory internal factory;

    function _deployFactory() internal {
        factory = new ChannelFactory(address(new PaymentChannel()));
    }

    function _terms() internal pure returns (CloneTerms.Terms memory terms) {
        return CloneTerms.Terms(ALICE, BOB, vm.addr(ALICE_KEY), vm.addr(BOB_KEY), PERIOD);
    }

    function _open(uint256 salt) internal returns (IPaymentChannel channel) {
        return IPaymentChannel(factory.openChannel(_terms(), bytes32(salt), address(0)));
    }

    function _deposit(IPaymentChannel channel, address participant, uint256 amountWei) internal {
        vm.deal(address(this), amountWei);
        channel.depositFor{value: amountWei}(participant);
    }

    /// @dev A split of all that is deposited now.
    function _state(
        IPaymentChannel channel,
        uint256 aliceBalance,
        uint64 nonce
    ) internal view returns (IPaymentChannel.ChannelState memory state) {
        uint256 a = channel.aliceDeposit();
        uint256 b = channel.bobDeposit();
        return IPaymentChannel.ChannelState(a, b, aliceBalance, a + b - aliceBalance, nonce);
    }

    function _signatures(
        IPaymentChannel channel,
        IPaymentChannel.ChannelState memory state
    ) internal view returns (bytes memory a, bytes memory b) {
        return _sign(channel, "ChannelState", "uint256 aliceBalance,uint256 bobBalance", state);
    }

    function _dispute(IPaymentChannel channel, address by, IPaymentChannel.ChannelState memory state) internal {
        (bytes memory a, bytes memory b) = _signatures(channel, state);
        vm.prank(by);
        channel.initiateDispute(state, a, b);
    }

    function _answer(IPaymentChannel channel, IPaymentChannel.ChannelState memory state) internal {
        (bytes memory a, bytes memory b) = _signatures(channel, state);
        channel.challengeDispute(state, a, b);
    }

    function _close(IPaymentChannel channel, IPaymentChannel.ChannelState memory s) internal {
        (bytes memory a, bytes memory b) = _sign(
            channel,
            "CooperativeClose",
            "uint256 aliceFinal,uint256 bobFinal",
            s
        );
        channel.cooperativeClose(
            IPaymentChannel.CooperativeClose(
                s.aliceDeposited,
                s.bobDeposited,
                s.aliceBalance,
                s.bobBalance,
                s.nonce
            ),
            a,
            b
        );
    }

    function _sign(
        IPaymentChannel channel,
        string memory name,
        string memory parts,
        IPaymentChannel.ChannelState memory s
    ) private view returns (bytes memory a, bytes memory b) {
        bytes memory typeText = abi.encodePacked(
            name,
            "(bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,",
            parts,
            ",uint64 nonce)"
        );
        bytes memory domain = abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256("PaymentChannel"),
            keccak256("1"),
            block.chainid,
            channel
        );
        bytes32 id = keccak256(abi.encode(keccak256("proofmill.channel.v1"), block.chainid, channel));
        bytes32 digest = keccak256(
            bytes.concat(hex"1901", keccak256(domain), keccak256(abi.encode(keccak256(typeText), id, s)))
        );
        return (_signature(ALICE_KEY, digest), _signature(BOB_KEY, digest));
    }

    function _signature(uint256 key, bytes32 digest) private pure returns (bytes memory signature) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
