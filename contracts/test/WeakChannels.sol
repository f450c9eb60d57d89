// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {ChannelFactory} from "../channel/ChannelFactory.sol";
import {CloneTerms} from "../channel/CloneTerms.sol";
import {PaymentChannel} from "../channel/PaymentChannel.sol";

// Channels with one hole each, for the tests that rob them. Everything else is the real contract.

/// @dev The disputed balances are forgotten: everybody gets its deposits back.
contract ForgetfulChannel is PaymentChannel {
    function _split(ChannelState memory) internal view override returns (uint256 aliceWei, uint256 bobWei) {
        return (this.aliceDeposit(), this.bobDeposit());
    }
}

/// @dev Can be finalized without a dispute.
contract UndisputedChannel is PaymentChannel {
    function finalizeDispute() external override {
        if (block.timestamp < this.expirationTime()) revert DisputeRunning(this.expirationTime());
        _close();
    }
}

/// @dev Has a life, and after it nobody can enforce anything.
contract MortalChannel is PaymentChannel {
    uint256 private immutable END = block.timestamp + 30 days;

    function _openDispute(ChannelState memory state) internal override {
        require(block.timestamp < END, "channel expired");
        super._openDispute(state);
    }
}

/// @dev A state has to split what is deposited now, not what was when it was signed.
contract TotalsChannel is PaymentChannel {
    function _split(ChannelState memory state) internal view override returns (uint256 aliceWei, uint256 bobWei) {
        uint256 total = this.aliceDeposit() + this.bobDeposit();
        if (state.aliceBalance + state.bobBalance != total) {
            revert BalancesMismatch(state.aliceBalance, state.bobBalance, total);
        }
        return (state.aliceBalance, state.bobBalance);
    }
}

/// @dev Answers are taken without a dispute, after its end, and after the close.
contract LateAnswerChannel is PaymentChannel {
    function challengeDispute(ChannelState calldata state, bytes calldata a, bytes calldata b) external override {
        if (state.nonce <= this.nonce()) revert NonceNotNewer(state.nonce, this.nonce());
        _checkSignatures(_digest(STATE_TYPE, state), a, b);
        _store(state);
    }
}

/// @dev Every answer starts the time anew.
contract EndlessChannel is PaymentChannel {
    function _extended(uint256) internal view override returns (uint256 newExpiresAt) {
        return block.timestamp + this.challengePeriod();
    }
}

/// @dev What is for open channels only, deposits and disputes, is possible at any time.
contract ReopenedChannel is PaymentChannel {
    function _requireStatus(Status expected) internal view override {
        if (expected != Status.Open) super._requireStatus(expected);
    }
}

/// @dev Signatures say nothing about chain, contract or channel.
contract NamelessChannel is PaymentChannel {
    function channelId() public pure override returns (bytes32 id) {
        return 0;
    }

    function _hashTypedDataV4(bytes32 structHash) internal pure override returns (bytes32) {
        return structHash;
    }
}

/// @dev A state passes for an agreement to close at once.
contract UntypedChannel is PaymentChannel {
    function _digest(bytes32, ChannelState memory state) internal view override returns (bytes32 digest) {
        return super._digest(STATE_TYPE, state);
    }
}

/// @dev Closes as often as somebody has an agreement for it, of any number.
contract ReplayableCloseChannel is PaymentChannel {
    function cooperativeClose(CooperativeClose calldata c, bytes calldata a, bytes calldata b) external override {
        ChannelState memory state = ChannelState(
            c.aliceDeposited,
            c.bobDeposited,
            c.aliceFinal,
            c.bobFinal,
            c.nonce
        );
        _checkSignatures(_digest(CLOSE_TYPE, state), a, b);
        _store(state);
        _close();
    }
}

/// @dev Takes what ecrecover gives, 0 and mirrored signatures included.
contract RawRecoveryChannel is PaymentChannel {
    function recoverSigner(bytes32 digest, bytes calldata sig) internal pure override returns (address signer) {
        return ecrecover(digest, uint8(sig[64]), bytes32(sig[:32]), bytes32(sig[32:64]));
    }
}

/// @dev Pays both in the transaction that closes.
contract PushChannel is PaymentChannel {
    function _close() internal override {
        super._close();
        (uint256 aliceWei, uint256 bobWei) = this.payouts();
        CloneTerms.Terms memory terms = _terms();
        _push(terms.alice, aliceWei);
        _push(terms.bob, bobWei);
    }

    function _push(address to, uint256 amountWei) private {
        // solhint-disable-next-line avoid-low-level-calls
        (bool paid, ) = to.call{value: amountWei}("");
        require(paid, "transfer failed");
    }
}

/// @dev Answers are taken from the parties only: no watchtower.
contract PartiesOnlyChannel is PaymentChannel {
    function _extended(uint256 expiresAt) internal override returns (uint256 newExpiresAt) {
        if (!_isParty(_terms(), msg.sender)) revert NotParticipant(msg.sender);
        return super._extended(expiresAt);
    }
}

/// @dev Answers without an event.
contract SilentChannel is PaymentChannel {
    function challengeDispute(ChannelState calldata state, bytes calldata a, bytes calldata b) external override {
        _requireStatus(Status.Disputed);
        _checkSignatures(_digest(STATE_TYPE, state), a, b);
        _store(state);
    }
}

/// @dev Asks a signer's code where there is some.
contract CodeAskingChannel is PaymentChannel {
    function _checkSignatures(bytes32 digest, bytes calldata a, bytes calldata b) internal view override {
        CloneTerms.Terms memory terms = _terms();
        _check(terms.aliceSigner, digest, a);
        _check(terms.bobSigner, digest, b);
    }

    function _check(address signer, bytes32 digest, bytes memory signature) private view {
        if (!SignatureChecker.isValidSignatureNow(signer, digest, signature)) revert WrongSigner(signer, address(0));
    }
}

/// @dev Checks no terms.
contract CarelessFactory is ChannelFactory {
    constructor(address implementation) ChannelFactory(implementation) {}

    function _check(CloneTerms.Terms calldata) internal pure override {}
}
