// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPaymentChannel} from "../channel/IPaymentChannel.sol";
import {ChannelTest} from "./ChannelTest.sol";
import {bound, vm} from "./Vm.sol";

/// @title Two parties at random, and a watchtower for every other channel
/// @author Proofmill
/// @dev One channel after the other: the next one opens when both have fetched all of the last. Every function that
/// succeeds counts itself.
contract ChannelHandler is ChannelTest {
    uint256 public constant AMOUNT_MAX = 1e24;

    IPaymentChannel public channel;
    IPaymentChannel.ChannelState[] private states; // what both signed, by rising nonce
    uint256 public bestSubmitted; // 1 + index of the state with the highest nonce given on chain in time
    bool public isWatched; // an honest party that answers in time has a stake in this channel
    bool public isCooperative;
    uint256 public depositedWei;
    uint256 public paidWei;

    uint256 public opened;
    uint256 public deposits;
    uint256 public agreements;
    uint256 public disputes;
    uint256 public staleDisputes;
    uint256 public depositDisputes;
    uint256 public answers;
    uint256 public lateAnswers;
    uint256 public refusedAnswers;
    uint256 public towerAnswers;
    uint256 public cooperativeCloses;
    uint256 public finalized;
    uint256 public withdrawals;
    uint256 public emptied;

    constructor() {
        _deployFactory();
        _next();
    }

    function deposit(uint256 seed, uint256 amountWei) external {
        if (channel.status() != IPaymentChannel.Status.Open) return;
        amountWei = bound(amountWei, 1, seed % 5 == 0 ? 1 : AMOUNT_MAX);
        _deposit(channel, seed % 2 == 0 ? ALICE : BOB, amountWei);
        depositedWei += amountWei;
        deposits++;
    }

    function agree(uint256 aliceBalance) external {
        if (channel.status() != IPaymentChannel.Status.Open || states.length > 20) return;
        uint256 total = channel.aliceDeposit() + channel.bobDeposit();
        states.push(_state(channel, bound(aliceBalance, 0, total), uint64(states.length + 1)));
        agreements++;
    }

    /// @dev Any state that was ever signed, or none.
    function dispute(uint256 seed) external {
        if (channel.status() != IPaymentChannel.Status.Open) return;
        if (channel.aliceDeposit() + channel.bobDeposit() == 0) return;
        uint256 which = seed % (states.length + 1);
        address by = (seed >> 128) % 2 == 0 ? ALICE : BOB;
        if (which == 0) {
            vm.prank(by);
            channel.initiateDepositDispute();
            depositDisputes++;
        } else {
            _dispute(channel, by, states[which - 1]);
        }
        bestSubmitted = which;
        disputes++;
        if (which < states.length) staleDisputes++;
    }

    function answer(uint256 seed) external {
        if (channel.status() != IPaymentChannel.Status.Disputed || states.length == 0) return;
        uint256 which = 1 + (seed % states.length);
        bool inTime = block.timestamp < channel.expirationTime();
        uint256 endBefore = channel.expirationTime();
        (bytes memory a, bytes memory b) = _signatures(channel, states[which - 1]);
        try channel.challengeDispute(states[which - 1], a, b) {
            require(inTime && which > bestSubmitted, "taken though late or old");
            bestSubmitted = which;
            answers++;
            if (channel.expirationTime() > endBefore) lateAnswers++;
        } catch {
            require(!inTime || which <= bestSubmitted, "refused though in time and new");
            refusedAnswers++;
        }
    }

    function close(uint256 aliceBalance) external {
        if (channel.status() == IPaymentChannel.Status.Closed || aliceBalance % 4 != 0) return;
        uint256 total = channel.aliceDeposit() + channel.bobDeposit();
        if (total == 0) return;
        uint64 nonce = uint64(states.length + 1);
        states.push(_state(channel, bound(aliceBalance, 0, total), nonce));
        _close(channel, states[nonce - 1]);
        (bestSubmitted, isCooperative) = (nonce, true);
        cooperativeCloses++;
    }

    /// @dev Time passes. Where somebody watches, it does not pass the end of a dispute unanswered.
    function wait(uint256 duration) external {
        uint256 to = block.timestamp + bound(duration, 0, 2 * uint256(PERIOD));
        if (channel.status() == IPaymentChannel.Status.Disputed) {
            uint256 end = channel.expirationTime();
            if (duration % 3 == 0 && block.timestamp < end) to = end - 1; // where the boundaries are
            if (isWatched && to >= end && block.timestamp < end && bestSubmitted < states.length) {
                _answer(channel, states[states.length - 1]);
                bestSubmitted = states.length;
                towerAnswers++;
            }
        }
        vm.warp(to);
    }

    function finalize() external {
        if (channel.status() != IPaymentChannel.Status.Disputed) return;
        bool isOver = block.timestamp >= channel.expirationTime();
        try channel.finalizeDispute() {
            require(isOver, "finalized though running");
            finalized++;
        } catch {
            require(!isOver, "stuck though over");
        }
    }

    /// @dev Each alone, whatever the other one does. Reverts, and so counts nothing, only where nothing is due.
    function withdraw(bool first) external {
        if (channel.status() != IPaymentChannel.Status.Closed) return;
        (uint256 aliceWei, uint256 bobWei) = channel.payouts();
        address who = first ? ALICE : BOB;
        uint256 due = (first ? aliceWei : bobWei) - channel.withdrawnAmounts(who);
        if (due != 0) {
            uint256 before = who.balance;
            vm.prank(who);
            channel.withdraw();
            require(who.balance == before + due, "paid");
            paidWei += due;
            withdrawals++;
        }
        if (paidWei == depositedWei) {
            emptied++;
            _next();
        }
    }

    function stateCount() external view returns (uint256) {
        return states.length;
    }

    /// @dev What the model says that the best state given on chain pays.
    function expected() external view returns (uint256 aliceWei, uint256 bobWei) {
        (uint256 a, uint256 b) = (channel.aliceDeposit(), channel.bobDeposit());
        if (bestSubmitted == 0) return (a, b);
        IPaymentChannel.ChannelState storage s = states[bestSubmitted - 1];
        return (s.aliceBalance + a - s.aliceDeposited, s.bobBalance + b - s.bobDeposited);
    }

    function _next() private {
        opened++;
        channel = _open(opened);
        delete states;
        (bestSubmitted, isCooperative, depositedWei, paidWei) = (0, false, 0, 0);
        isWatched = opened % 2 == 1;
    }
}
