// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AddressAlias} from "../bridge/AddressAlias.sol";
import {OP_DEPOSIT, OP_FORCED} from "../ledger/LedgerTypes.sol";
import {Deposit, TxCodec} from "../ledger/TxCodec.sol";
import {Credits} from "../security/Credits.sol";
import {IForcedQueue} from "./IForcedQueue.sol";

/// @dev keccak256("proofmill.inbox.entry.v1"): separates queue entries from every other use of keccak256.
bytes32 constant ENTRY_TAG = keccak256("proofmill.inbox.entry.v1");

/// @title Deposits and forced payments
/// @author Proofmill
/// @notice The part of the inbox that users talk to. It holds the deposits' money.
/// @dev Fees are burned by staying here: no function moves them, and `entryFeeWei * queueTail` is their exact sum. Paid
/// to the sequencer they would make it free for it to fill its own queue. At any time the balance is the escrow,
/// the credits and the fees, and what somebody forced on the contract.
///
/// The cap of open entries bounds the steps that one batch can hold. Who fills the queue keeps others out until a
/// batch takes the entries: with a sequencer that does not, for the hard deadline at most, at `maxOpen` fees each time.
abstract contract ForcedQueue is IForcedQueue, Credits {
    /// @dev As stored, in two slots.
    struct Entry {
        bytes32 hash;
        uint64 enqueuedAt;
    }

    /// @dev Three times a forced payment, so that instructions to come have room; and the largest queue item that a
    /// dispute's last transaction may have to carry.
    uint256 private constant MAX_TRANSACTION_BYTES = 256;
    /// @dev A batch then has at most this many entries and 1,024 records: 13 rounds of a dispute.
    uint256 private constant MAX_OPEN = 4_096;
    /// @dev A fee that nobody would pay shuts the queue.
    uint256 private constant MAX_ENTRY_FEE_WEI = 1 ether;
    /// @dev After this time at the latest everybody's entry is in.
    uint256 private constant MAX_DEADLINE_SECONDS = 30 days;

    address internal immutable SEQUENCER;
    address private immutable EXIT_PAYER;
    uint256 private immutable ENTRY_FEE_WEI;
    uint64 private immutable MAX_OPEN_ENTRIES;
    uint64 internal immutable SOFT_DEADLINE_SECONDS;
    uint64 internal immutable HARD_DEADLINE_SECONDS;

    mapping(uint64 id => Entry entry) private _entries;
    uint256 private _escrowWei;

    // These share one slot with each other and with the batch count of the inheriting contract.
    uint64 internal _head;
    uint64 internal _tail;

    /// @notice An empty queue.
    /// @param config_ What this deployment fixes for ever.
    constructor(Config memory config_) {
        _checkRange("sequencer", uint160(config_.sequencer), 1, type(uint160).max);
        _checkRange("entryFeeWei", config_.entryFeeWei, 1, MAX_ENTRY_FEE_WEI);
        _checkRange("maxOpen", config_.maxOpen, 1, MAX_OPEN);
        _checkRange("softDeadlineSeconds", config_.softDeadlineSeconds, 1, MAX_DEADLINE_SECONDS - 1);
        uint256 soft = config_.softDeadlineSeconds;
        _checkRange("hardDeadlineSeconds", config_.hardDeadlineSeconds, soft + 1, MAX_DEADLINE_SECONDS);
        SEQUENCER = config_.sequencer;
        EXIT_PAYER = config_.exitPayer;
        ENTRY_FEE_WEI = config_.entryFeeWei;
        MAX_OPEN_ENTRIES = config_.maxOpen;
        SOFT_DEADLINE_SECONDS = config_.softDeadlineSeconds;
        HARD_DEADLINE_SECONDS = config_.hardDeadlineSeconds;
    }

    /// @inheritdoc IForcedQueue
    function enforceInclusion(bytes calldata transaction) external payable returns (uint64 id) {
        if (msg.value != ENTRY_FEE_WEI) revert EntryFeeMismatch(msg.value, ENTRY_FEE_WEI);
        if (transaction.length > MAX_TRANSACTION_BYTES) revert EntryTooLong(transaction.length, MAX_TRANSACTION_BYTES);
        return _enqueue(OP_FORCED, abi.encodePacked(AddressAlias.authorityOf(msg.sender), transaction));
    }

    /// @inheritdoc IForcedQueue
    function deposit(uint32 to, address toOwner) external payable returns (uint64 id) {
        if (msg.value <= ENTRY_FEE_WEI) revert NothingToDeposit(msg.value, ENTRY_FEE_WEI);
        if (toOwner == address(0)) revert DepositToNobody();
        // All Ether there is fits into 87 bits.
        uint128 amountWei = uint128(msg.value - ENTRY_FEE_WEI);
        _escrowWei += amountWei;
        Deposit memory item = Deposit({depositor: msg.sender, amount: amountWei, to: to, toOwner: toOwner});
        return _enqueue(OP_DEPOSIT, TxCodec.encodeDeposit(item));
    }

    /// @inheritdoc IForcedQueue
    function release(address account, uint256 amountWei) external {
        if (msg.sender != EXIT_PAYER) revert NotExitPayer(msg.sender, EXIT_PAYER);
        uint256 escrow = _escrowWei;
        if (amountWei > escrow) revert EscrowTooLow(amountWei, escrow);
        _escrowWei = escrow - amountWei;
        emit EscrowReleased(account, amountWei);
        _addCredit(account, amountWei);
    }

    /// @inheritdoc IForcedQueue
    function config() external view returns (Config memory values) {
        return
            Config({
                sequencer: SEQUENCER,
                exitPayer: EXIT_PAYER,
                entryFeeWei: ENTRY_FEE_WEI,
                maxOpen: MAX_OPEN_ENTRIES,
                softDeadlineSeconds: SOFT_DEADLINE_SECONDS,
                hardDeadlineSeconds: HARD_DEADLINE_SECONDS
            });
    }

    /// @inheritdoc IForcedQueue
    function queueEntry(uint64 id) external view returns (bytes32 hash, uint64 enqueuedAt) {
        if (id >= _tail) revert EntryUnknown(id, _tail);
        Entry storage entry = _entries[id];
        return (entry.hash, entry.enqueuedAt);
    }

    /// @inheritdoc IForcedQueue
    function queueHead() external view returns (uint64 id) {
        return _head;
    }

    /// @inheritdoc IForcedQueue
    function queueTail() external view returns (uint64 id) {
        return _tail;
    }

    /// @inheritdoc IForcedQueue
    function escrowWei() external view returns (uint256 amountWei) {
        return _escrowWei;
    }

    /// @dev An entry that exists.
    function _entry(uint64 id) internal view returns (Entry storage entry) {
        return _entries[id];
    }

    /// @dev What the queue keeps of an entry. The id is in it, so that equal entries are told apart.
    function _entryHash(uint64 id, uint8 opcode, bytes memory item) internal pure returns (bytes32 hash) {
        return keccak256(abi.encode(ENTRY_TAG, id, opcode, keccak256(item)));
    }

    function _enqueue(uint8 opcode, bytes memory item) private returns (uint64 id) {
        id = _tail;
        if (id - _head >= MAX_OPEN_ENTRIES) revert QueueFull(MAX_OPEN_ENTRIES);
        _tail = id + 1;
        _entries[id] = Entry({hash: _entryHash(id, opcode, item), enqueuedAt: uint64(block.timestamp)});
        emit EntryQueued(id, opcode, item);
    }

    function _checkRange(string memory field, uint256 got, uint256 minimum, uint256 maximum) private pure {
        if (got < minimum || got > maximum) revert InboxConfigOutOfRange(field, got, minimum, maximum);
    }
}
