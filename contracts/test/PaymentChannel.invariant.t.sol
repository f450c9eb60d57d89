// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPaymentChannel} from "../channel/IPaymentChannel.sol";
import {ChannelHandler} from "./ChannelHandler.sol";

contract PaymentChannelInvariantTest {
    ChannelHandler private handler;

    function setUp() public {
        handler = new ChannelHandler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_channelHoldsWhatWasDepositedAndNotPaid() public view {
        IPaymentChannel channel = handler.channel();
        require(address(channel).balance + handler.paidWei() == handler.depositedWei(), "held");
        require(channel.aliceDeposit() + channel.bobDeposit() == handler.depositedWei(), "deposits");
    }

    function invariant_splitIsOfTheLatestStateGivenInTime() public view {
        IPaymentChannel channel = handler.channel();
        if (channel.status() == IPaymentChannel.Status.Open) return;
        (uint256 aliceWei, uint256 bobWei) = channel.payouts();
        (uint256 expectedAlice, uint256 expectedBob) = handler.expected();
        require(aliceWei == expectedAlice && bobWei == expectedBob, "split");
        require(aliceWei + bobWei == handler.depositedWei(), "all of it");
        require(channel.nonce() == handler.bestSubmitted(), "nonce");
    }

    /// @dev Who answers in time gets what the last agreement says, whatever was tried.
    function invariant_whoWatchesGetsTheLastAgreement() public view {
        IPaymentChannel channel = handler.channel();
        if (!handler.isWatched() || channel.status() != IPaymentChannel.Status.Closed) return;
        require(channel.nonce() == handler.stateCount(), "last");
    }

    /// @dev Without this the invariants could hold because nothing ever happens.
    function test_channelHandlerReachesEveryPath() public {
        for (uint256 i = 0; i < 1500; i++) {
            uint256 seed = uint256(keccak256(abi.encode("channel", i)));
            uint256 action = seed % 12;
            seed >>= 8;
            if (action < 2) handler.deposit(seed, seed >> 16);
            if (action == 2 || action == 3) handler.agree(seed);
            if (action == 4) handler.dispute(seed);
            if (action == 5 || action == 6) handler.answer(seed);
            if (action == 7 && i % 3 == 0) handler.close(seed);
            if (action == 8) handler.wait(seed % 2 == 0 ? 3 * (seed % 9999) : seed);
            if (action == 9) handler.finalize();
            if (action > 9) handler.withdraw(seed % 2 == 0);
            invariant_channelHoldsWhatWasDepositedAndNotPaid();
            invariant_splitIsOfTheLatestStateGivenInTime();
            invariant_whoWatchesGetsTheLastAgreement();
        }
        require(handler.opened() > 5 && handler.emptied() > 4, "channels");
        require(handler.deposits() > 20 && handler.agreements() > 20, "use");
        require(handler.disputes() > 5 && handler.staleDisputes() > 3 && handler.depositDisputes() > 0, "disputes");
        require(handler.answers() > 5, "answers");
        require(handler.lateAnswers() > 0, "late");
        require(handler.refusedAnswers() > 5, "refused");
        require(handler.towerAnswers() > 0, "watchtower");
        require(handler.cooperativeCloses() > 0 && handler.finalized() > 2, "closes");
        require(handler.withdrawals() > 8, "withdrawals");
    }
}
