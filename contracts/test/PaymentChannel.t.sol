// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CloneTerms} from "../channel/CloneTerms.sol";
import {IPaymentChannel} from "../channel/IPaymentChannel.sol";
import {PaymentChannel} from "../channel/PaymentChannel.sol";
import {ChannelTest} from "./ChannelTest.sol";
import {bound, vm} from "./Vm.sol";

contract PaymentChannelTest is ChannelTest {
    uint256 private constant MAX = 1e30;

    IPaymentChannel private channel;

    function setUp() public {
        _deployFactory();
        channel = _open(0);
    }

    /// @dev No deposit can make a signed state invalid, and what came later is its depositor's.
    function testFuzz_laterDepositsHarmNoState(uint256[5] memory wei_, uint256 share, uint64 nonce, bool alone) public {
        for (uint256 i = 0; i < 5; i++) wei_[i] = bound(wei_[i], 1, MAX);
        nonce = uint64(bound(nonce, 1, type(uint64).max));
        _deposit(channel, ALICE, wei_[0]);
        _deposit(channel, BOB, wei_[1]);
        share = bound(share, 0, wei_[0] + wei_[1]);
        IPaymentChannel.ChannelState memory state = _state(channel, share, nonce);

        _deposit(channel, ALICE, wei_[2]);
        _deposit(channel, BOB, wei_[3]);
        _deposit(channel, ALICE, wei_[4]);
        if (alone) {
            _dispute(channel, BOB, state);
            vm.warp(block.timestamp + PERIOD);
            channel.finalizeDispute();
        } else {
            _close(channel, state);
        }
        (uint256 aliceWei, uint256 bobWei) = channel.payouts();
        require(aliceWei == share + wei_[2] + wei_[4], "alice");
        require(bobWei == wei_[0] + wei_[1] - share + wei_[3], "bob");
        vm.prank(ALICE);
        if (aliceWei != 0) channel.withdraw();
        vm.prank(BOB);
        if (bobWei != 0) channel.withdraw();
        require(address(channel).balance == 0, "all of it");
    }

    /// @dev Whatever both sign: it is taken exactly if it splits deposits that arrived.
    function testFuzz_onlySplitsOfDepositsAreTaken(IPaymentChannel.ChannelState memory state, uint256 seed) public {
        _deposit(channel, ALICE, 1 + (seed % 1000));
        _deposit(channel, BOB, 1 + ((seed >> 10) % 1000));
        uint256 a = channel.aliceDeposit();
        uint256 b = channel.bobDeposit();
        // Small numbers next to wild ones, so that both sides of every comparison are met.
        if ((seed >> 20) % 4 != 0) {
            state.aliceDeposited = a + 1 - ((seed >> 30) % (a + 2));
            state.bobDeposited = b + 1 - ((seed >> 40) % (b + 2));
            state.aliceBalance %= a + b + 2;
            if ((seed >> 22) % 4 != 0 && state.aliceBalance <= state.aliceDeposited + state.bobDeposited) {
                state.bobBalance = state.aliceDeposited + state.bobDeposited - state.aliceBalance;
            }
        }
        if (state.nonce == 0) state.nonce = 1;
        (bytes memory sigA, bytes memory sigB) = _signatures(channel, state);
        bool arrived = state.aliceDeposited <= a && state.bobDeposited <= b;
        uint256 total = arrived ? state.aliceDeposited + state.bobDeposited : 0;
        bool taken = arrived && state.aliceBalance <= total && state.bobBalance == total - state.aliceBalance;
        if (!arrived) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IPaymentChannel.DepositsMissing.selector,
                    state.aliceDeposited,
                    state.bobDeposited,
                    a,
                    b
                )
            );
        } else if (!taken) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IPaymentChannel.BalancesMismatch.selector,
                    state.aliceBalance,
                    state.bobBalance,
                    total
                )
            );
        }
        vm.prank(ALICE);
        channel.initiateDispute(state, sigA, sigB);
        require((channel.status() == IPaymentChannel.Status.Disputed) == taken, "status");
        (uint256 aliceWei, uint256 bobWei) = channel.payouts();
        if (taken) require(aliceWei + bobWei == a + b && aliceWei >= state.aliceBalance, "split");
    }

    /// @dev An answer counts exactly before the end and above the nonce that stands; the end moves once, by an hour.
    function testFuzz_answersFollowTheClock(uint64[6] memory waits, uint64[6] memory nonces) public {
        _deposit(channel, ALICE, 100);
        _dispute(channel, BOB, _state(channel, 0, 50));
        uint256 first = channel.expirationTime();
        require(first == block.timestamp + PERIOD, "first end");
        uint256 end = first;
        uint64 best = 50;
        for (uint256 i = 0; i < 6; i++) {
            vm.warp(block.timestamp + bound(waits[i], 0, PERIOD / 3));
            // Half of the time to within seconds of the end.
            if (waits[i] % 2 == 0 && block.timestamp < end) vm.warp(end - 1 + (waits[i] % 3));
            nonces[i] = uint64(bound(nonces[i], 1, 100));
            IPaymentChannel.ChannelState memory state = _state(channel, nonces[i], nonces[i]);
            (bytes memory a, bytes memory b) = _signatures(channel, state);
            if (block.timestamp >= end) {
                vm.expectRevert(abi.encodeWithSelector(IPaymentChannel.DisputeExpired.selector, end));
                channel.challengeDispute(state, a, b);
            } else if (nonces[i] <= best) {
                vm.expectRevert(
                    abi.encodeWithSelector(IPaymentChannel.NonceNotNewer.selector, nonces[i], best)
                );
                channel.challengeDispute(state, a, b);
            } else {
                if (end == first && end - block.timestamp < 1 hours) end += 1 hours;
                channel.challengeDispute(state, a, b);
                best = nonces[i];
            }
            require(channel.expirationTime() == end && channel.nonce() == best, "clock");
        }
        require(end <= first + 1 hours, "bounded");
        if (block.timestamp < end) {
            vm.expectRevert(abi.encodeWithSelector(IPaymentChannel.DisputeRunning.selector, end));
            channel.finalizeDispute();
            vm.warp(end);
        }
        channel.finalizeDispute();
        (uint256 aliceWei, ) = channel.payouts();
        require(aliceWei == (best == 50 ? 0 : best), "latest");
    }

    /// @dev The address commits to every term and to the salt.
    function testFuzz_addressesAreOfTheirTerms(CloneTerms.Terms memory terms, bytes32 salt, uint256 which) public view {
        CloneTerms.Terms memory other = abi.decode(abi.encode(terms), (CloneTerms.Terms));
        bytes32 otherSalt = salt;
        which %= 6;
        if (which == 0) other.alice = address(uint160(terms.alice) ^ 1);
        if (which == 1) other.bob = address(uint160(terms.bob) ^ 1);
        if (which == 2) other.aliceSigner = address(uint160(terms.aliceSigner) ^ 1);
        if (which == 3) other.bobSigner = address(uint160(terms.bobSigner) ^ 1);
        if (which == 4) other.challengePeriod ^= 1;
        if (which == 5) otherSalt ^= bytes32(uint256(1));
        require(factory.channelAddress(terms, salt) != factory.channelAddress(other, otherSalt), "address");
    }

    function testFuzz_aChannelReadsItsTerms(CloneTerms.Terms memory terms, bytes32 salt) public {
        vm.assume(terms.alice != address(0) && terms.bob != address(0) && terms.alice != terms.bob);
        vm.assume(terms.aliceSigner != address(0) && terms.bobSigner != address(0));
        vm.assume(terms.aliceSigner != terms.bobSigner);
        terms.challengePeriod = uint32(bound(terms.challengePeriod, 1 hours, 30 days));
        IPaymentChannel made = IPaymentChannel(factory.openChannel(terms, salt, address(0)));
        require(address(made) == factory.channelAddress(terms, salt), "address");
        require(made.alice() == terms.alice && made.bob() == terms.bob, "parties");
        require(made.aliceSigner() == terms.aliceSigner && made.bobSigner() == terms.bobSigner, "keys");
        require(made.challengePeriod() == terms.challengePeriod, "period");
    }

    /// @dev After a fork that changes the chain id, nothing signed on the other side counts.
    function test_statesOfAnotherChainAreRefused() public {
        _deposit(channel, ALICE, 100);
        IPaymentChannel.ChannelState memory state = _state(channel, 0, 1);
        (bytes memory a, bytes memory b) = _signatures(channel, state);
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        vm.prank(BOB);
        try channel.initiateDispute(state, a, b) {
            revert("replayed");
        } catch (bytes memory reason) {
            require(bytes4(reason) == IPaymentChannel.WrongSigner.selector, "reason");
        }
        vm.chainId(here);
        vm.prank(BOB);
        channel.initiateDispute(state, a, b);
    }

    function testFuzz_anyFlippedBitOfASignatureIsRefused(uint256 bit, bool first) public {
        _deposit(channel, ALICE, 100);
        IPaymentChannel.ChannelState memory state = _state(channel, 7, 1);
        (bytes memory a, bytes memory b) = _signatures(channel, state);
        bit %= 65 * 8;
        bytes memory target = first ? a : b;
        target[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.prank(BOB);
        try channel.initiateDispute(state, a, b) {
            revert("forged");
        } catch {} // which refusal depends on the bit
        require(channel.status() == IPaymentChannel.Status.Open, "untouched");
    }

    function test_extensionFitsTheShortestPeriod() public {
        require(factory.MIN_CHALLENGE_PERIOD() >= new PaymentChannel().EXTENSION(), "else every answer is late");
    }
}
