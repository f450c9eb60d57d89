// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {CloneTerms} from "./CloneTerms.sol";
import {IPaymentChannel} from "./IPaymentChannel.sol";

/// @title Payment channel
/// @author Proofmill
/// @notice The code that all channels share. A channel is a minimal clone of it made by ChannelFactory, with parties,
/// keys and period as part of its code, so that its address commits to them.
/// @dev Signatures are ECDSA by the keys named there, also where a party is a contract. Neither ERC-1271 nor anything
/// else that looks at the signer's code is asked, since such an answer can change: who answers a dispute with a state
/// that was signed last week must not depend on a wallet that still says yes. Any account can put code in its own
/// place (EIP-7702), so "ask code where there is some" would let everybody take back every signature. A wallet that is
/// a contract names a key of its own for each channel and agrees to it by depositing.
/// Why a state never becomes invalid: deposits only grow, so that what a state names has arrived for ever once it has;
/// nonce and signatures are of the state alone. Why the money always suffices: the two parts of a state are exactly the
/// deposits that it names, and each party's later deposits are added to its own part.
contract PaymentChannel is IPaymentChannel, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @notice Added once to the time for answers, when one comes with less than this left: whoever is surprised by it
    /// has as long as this to send a later one. An hour is 300 slots of Ethereum: time to be seen, and for a
    /// transaction that got stuck to be replaced at higher fees.
    uint256 public constant EXTENSION = 1 hours;

    /// @dev Separates the names of channels from every other use of keccak256.
    bytes32 internal constant CHANNEL_TAG = keccak256("proofmill.channel.v1");
    bytes32 internal constant STATE_TYPE =
        keccak256(
            "ChannelState(bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,uint256 aliceBalance,uint256 bobBalance,uint64 nonce)" // solhint-disable-line max-line-length
        );
    bytes32 internal constant CLOSE_TYPE =
        keccak256(
            "CooperativeClose(bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,uint256 aliceFinal,uint256 bobFinal,uint64 nonce)" // solhint-disable-line max-line-length
        );

    /// @dev The code itself, which is no channel.
    address private immutable CODE;

    // All Ether together is below 2^97 wei, so 128 bits hold every sum of it; casts are checked all the same.
    uint128 private _aliceDeposit;
    uint128 private _bobDeposit;

    // One slot.
    Status private _status;
    bool private _isExtended;
    uint64 private _nonce;
    uint64 private _expirationTime;

    // Deposits stand still from the first dispute on, so what a state pays is known when it is given.
    uint128 private _alicePayout;
    uint128 private _bobPayout;

    mapping(address participant => uint256 amountWei) private _withdrawnAmounts;

    /// @notice The code of all channels. Parties, keys and period are checked by the factory that makes the clones.
    constructor() EIP712("PaymentChannel", "1") {
        CODE = address(this);
    }

    /// @inheritdoc IPaymentChannel
    function deposit() external payable {
        _deposit(msg.sender);
    }

    /// @inheritdoc IPaymentChannel
    function depositFor(address participant) external payable {
        _deposit(participant);
    }

    /// @inheritdoc IPaymentChannel
    function cooperativeClose(
        CooperativeClose calldata agreement,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) external virtual {
        if (_status == Status.Closed) revert ChannelAlreadyClosed();
        // The later agreement counts, here as well: a state above this one was signed after both had given up closing.
        if (agreement.nonce <= _nonce) revert NonceNotNewer(agreement.nonce, _nonce);
        ChannelState memory state = ChannelState({
            aliceDeposited: agreement.aliceDeposited,
            bobDeposited: agreement.bobDeposited,
            aliceBalance: agreement.aliceFinal,
            bobBalance: agreement.bobFinal,
            nonce: agreement.nonce
        });
        _checkSignatures(_digest(CLOSE_TYPE, state), aliceSignature, bobSignature);
        _store(state);
        _close();
    }

    /// @inheritdoc IPaymentChannel
    function initiateDispute(
        ChannelState calldata state,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) external virtual {
        // Nonce 0 is that of the deposits, which nobody signs.
        if (state.nonce == 0) revert NonceNotNewer(0, 0);
        _checkSignatures(_digest(STATE_TYPE, state), aliceSignature, bobSignature);
        _openDispute(state);
    }

    /// @inheritdoc IPaymentChannel
    function initiateDepositDispute() external {
        (uint256 a, uint256 b) = (_aliceDeposit, _bobDeposit);
        _openDispute(ChannelState({aliceDeposited: a, bobDeposited: b, aliceBalance: a, bobBalance: b, nonce: 0}));
    }

    /// @inheritdoc IPaymentChannel
    function challengeDispute(
        ChannelState calldata state,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) external virtual {
        _requireStatus(Status.Disputed);
        uint256 expiresAt = _expirationTime;
        if (block.timestamp >= expiresAt) revert DisputeExpired(expiresAt);
        if (state.nonce <= _nonce) revert NonceNotNewer(state.nonce, _nonce);
        _checkSignatures(_digest(STATE_TYPE, state), aliceSignature, bobSignature);

        expiresAt = _extended(expiresAt);
        _expirationTime = expiresAt.toUint64();
        _store(state);
        emit DisputeChallenged(msg.sender, state.nonce, _alicePayout, _bobPayout, expiresAt);
    }

    /// @inheritdoc IPaymentChannel
    function finalizeDispute() external virtual {
        _requireStatus(Status.Disputed);
        if (block.timestamp < _expirationTime) revert DisputeRunning(_expirationTime);
        _close();
    }

    /// @inheritdoc IPaymentChannel
    function withdraw() external virtual nonReentrant {
        _requireStatus(Status.Closed);
        CloneTerms.Terms memory terms = _terms();
        if (msg.sender != terms.alice && msg.sender != terms.bob) revert NotParticipant(msg.sender);
        uint256 part = msg.sender == terms.alice ? _alicePayout : _bobPayout;
        uint256 amountWei = part - _withdrawnAmounts[msg.sender];
        if (amountWei == 0) revert NothingToWithdraw(msg.sender);

        _withdrawnAmounts[msg.sender] = part;
        emit Withdrawn(msg.sender, amountWei);
        // All gas is forwarded on purpose: everything is settled, and a fixed stipend would lock out wallets that
        // are contracts. A receiver that burns gas or returns megabytes pays for it itself: it is the caller.
        // solhint-disable-next-line avoid-low-level-calls
        (bool paid, ) = msg.sender.call{value: amountWei}("");
        if (!paid) revert PaymentRefused(msg.sender, amountWei);
    }

    /// @inheritdoc IPaymentChannel
    function alice() external view returns (address account) {
        return _terms().alice;
    }

    /// @inheritdoc IPaymentChannel
    function bob() external view returns (address account) {
        return _terms().bob;
    }

    /// @inheritdoc IPaymentChannel
    function aliceSigner() external view returns (address account) {
        return _terms().aliceSigner;
    }

    /// @inheritdoc IPaymentChannel
    function bobSigner() external view returns (address account) {
        return _terms().bobSigner;
    }

    /// @inheritdoc IPaymentChannel
    function challengePeriod() external view returns (uint256 periodSeconds) {
        return _terms().challengePeriod;
    }

    /// @inheritdoc IPaymentChannel
    function status() external view returns (Status value) {
        return _status;
    }

    /// @inheritdoc IPaymentChannel
    function aliceDeposit() external view returns (uint256 amountWei) {
        return _aliceDeposit;
    }

    /// @inheritdoc IPaymentChannel
    function bobDeposit() external view returns (uint256 amountWei) {
        return _bobDeposit;
    }

    /// @inheritdoc IPaymentChannel
    function nonce() external view returns (uint64 value) {
        return _nonce;
    }

    /// @inheritdoc IPaymentChannel
    function expirationTime() external view returns (uint256 timestamp) {
        return _expirationTime;
    }

    /// @inheritdoc IPaymentChannel
    function payouts() external view returns (uint256 aliceWei, uint256 bobWei) {
        return (_alicePayout, _bobPayout);
    }

    /// @inheritdoc IPaymentChannel
    function withdrawnAmounts(address participant) external view returns (uint256 amountWei) {
        return _withdrawnAmounts[participant];
    }

    /// @inheritdoc IPaymentChannel
    function channelId() public view virtual returns (bytes32 id) {
        return keccak256(abi.encode(CHANNEL_TAG, block.chainid, address(this)));
    }

    /// @dev Makes the state the one that stands. Virtual, as its neighbours are, for the tests that weaken it.
    function _store(ChannelState memory state) internal virtual {
        (uint256 aliceWei, uint256 bobWei) = _split(state);
        _nonce = state.nonce;
        _alicePayout = aliceWei.toUint128();
        _bobPayout = bobWei.toUint128();
    }

    /// @dev Ends the channel with the state that stands.
    function _close() internal virtual {
        _status = Status.Closed;
        emit ChannelClosed(_alicePayout, _bobPayout, _nonce);
    }

    /// @dev Starts the one dispute that a channel can have.
    function _openDispute(ChannelState memory state) internal virtual {
        CloneTerms.Terms memory terms = _terms();
        if (!_isParty(terms, msg.sender)) revert NotParticipant(msg.sender);
        _requireStatus(Status.Open);
        uint256 expiresAt = block.timestamp + terms.challengePeriod;
        _status = Status.Disputed;
        _expirationTime = expiresAt.toUint64();
        _store(state);
        emit DisputeInitiated(msg.sender, state.nonce, _alicePayout, _bobPayout, expiresAt);
    }

    /// @dev The end of the time for answers after one that comes now. It moves once, by EXTENSION: a cheater with many
    /// states cannot put off the end by giving them one by one.
    function _extended(uint256 expiresAt) internal virtual returns (uint256 newExpiresAt) {
        if (_isExtended || expiresAt - block.timestamp >= EXTENSION) return expiresAt;
        _isExtended = true;
        return expiresAt + EXTENSION;
    }

    /// @dev Adds to the deposits of `participant`.
    function _deposit(address participant) internal virtual {
        CloneTerms.Terms memory terms = _terms();
        _requireStatus(Status.Open);
        if (msg.value == 0) revert NothingDeposited();
        uint256 totalWei;
        if (participant == terms.alice) {
            totalWei = _aliceDeposit + msg.value;
            _aliceDeposit = totalWei.toUint128();
        } else if (participant == terms.bob) {
            totalWei = _bobDeposit + msg.value;
            _bobDeposit = totalWei.toUint128();
        } else {
            revert NotParticipant(participant);
        }
        emit Deposited(participant, msg.value, totalWei);
    }

    /// @dev What a state pays: its parts, and to each party what it deposited later.
    function _split(ChannelState memory state) internal view virtual returns (uint256 aliceWei, uint256 bobWei) {
        if (state.aliceDeposited > _aliceDeposit || state.bobDeposited > _bobDeposit) {
            revert DepositsMissing(state.aliceDeposited, state.bobDeposited, _aliceDeposit, _bobDeposit);
        }
        // No sum overflows: deposits fit 128 bits, and the second part is compared with what the first one leaves.
        uint256 totalWei = state.aliceDeposited + state.bobDeposited;
        if (state.aliceBalance > totalWei || state.bobBalance != totalWei - state.aliceBalance) {
            revert BalancesMismatch(state.aliceBalance, state.bobBalance, totalWei);
        }
        aliceWei = state.aliceBalance + (_aliceDeposit - state.aliceDeposited);
        bobWei = state.bobBalance + (_bobDeposit - state.bobDeposited);
    }

    /// @dev Refuses unless both keys signed.
    function _checkSignatures(
        bytes32 digest,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) internal view virtual {
        CloneTerms.Terms memory terms = _terms();
        address got = recoverSigner(digest, aliceSignature);
        if (got != terms.aliceSigner) revert WrongSigner(terms.aliceSigner, got);
        got = recoverSigner(digest, bobSignature);
        if (got != terms.bobSigner) revert WrongSigner(terms.bobSigner, got);
    }

    /// @dev What the keys sign. The two types have the same fields, and the type's hash keeps them apart.
    function _digest(bytes32 typeHash, ChannelState memory state) internal view virtual returns (bytes32 digest) {
        return
            _hashTypedDataV4(
                keccak256(
                    abi.encode(
                        typeHash,
                        channelId(),
                        state.aliceDeposited,
                        state.bobDeposited,
                        state.aliceBalance,
                        state.bobBalance,
                        state.nonce
                    )
                )
            );
    }

    /// @dev Refuses in any status but this one.
    function _requireStatus(Status expected) internal view virtual {
        if (_status != expected) revert WrongStatus(_status, expected);
    }

    /// @dev Parties, keys and period, which the address commits to.
    function _terms() internal view returns (CloneTerms.Terms memory terms) {
        if (address(this) == CODE) revert NotAChannel();
        return CloneTerms.read(address(this));
    }

    /// @dev Who signed. Reverts for what is no signature: another length than 65 bytes, v other than 27 and 28, s in
    /// the upper half, or a recovery that gives 0.
    function recoverSigner(bytes32 digest, bytes calldata signature) internal pure virtual returns (address signer) {
        return ECDSA.recoverCalldata(digest, signature);
    }

    /// @dev A party, or its key: the process that signs payments holds the key only, and must be able to settle.
    function _isParty(CloneTerms.Terms memory terms, address account) internal pure returns (bool isParty) {
        return
            account == terms.alice ||
            account == terms.bob ||
            account == terms.aliceSigner ||
            account == terms.bobSigner;
    }
}
