// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {L1Entry} from "./BatchData.sol";
import {IL1Queue} from "./IL1Queue.sol";
import {SCALAR_FIELD} from "./ScalarField.sol";

/// @title Accounts and the queue from L1
/// @author Proofmill
/// @notice The part of a rollup that L1 users talk to.
/// @dev Fees are burned by staying here: no function moves them, and `entryFeeWei * queueTail` is their exact sum.
/// They must not reach the operator, or it could fill the queue at no cost to itself.
abstract contract L1Queue is IL1Queue {
    /// @dev As stored: 21 bytes of one slot.
    struct Item {
        uint8 kind;
        uint32 index;
        uint64 amountGwei;
        uint64 overdueAt;
    }

    /// @dev `exitEnd` is 1 + the id of the last forced exit, 0 if there was none: that exit is open as long as
    /// `exitEnd` is above the queue's head, so that consuming it needs no write.
    struct Account {
        address owner;
        uint64 exitEnd;
        uint256 ax;
        uint256 ay;
    }

    uint8 internal constant DEPOSIT = 1;
    uint8 internal constant FORCED_EXIT = 2;

    uint256 internal immutable CAPACITY;
    uint256 internal immutable ENTRY_FEE_WEI;
    uint256 internal immutable MIN_DEPOSIT_GWEI;
    uint256 internal immutable INCLUSION_WINDOW_SECONDS;
    uint256 internal immutable SPACING_SECONDS;

    mapping(uint256 id => Item item) private _items;
    mapping(uint256 index => Account account) private _accounts;

    // These share one slot with each other and with the first 32 bits that the inheriting contract declares: a block
    // then pays for one cold slot instead of several.
    uint64 private _head;
    uint64 private _tail;
    uint64 private _owedGwei;
    uint32 private _nextIndex = 1; // index 0 stays empty: unused slots of a batch open it

    /// @notice An empty queue and no account. The ranges are for the inheriting contract to check.
    /// @param levels Levels of the quaternary state tree, below 16 so that an index stays below 2^30.
    /// @param entryFeeWei Burned by each entry.
    /// @param minDepositGwei Smallest deposit.
    /// @param inclusionWindowSeconds Time from entry to overdue.
    /// @param spacingSeconds Least time between two entries' deadlines.
    constructor(
        uint256 levels,
        uint256 entryFeeWei,
        uint256 minDepositGwei,
        uint256 inclusionWindowSeconds,
        uint256 spacingSeconds
    ) {
        CAPACITY = 4 ** levels;
        ENTRY_FEE_WEI = entryFeeWei;
        MIN_DEPOSIT_GWEI = minDepositGwei;
        INCLUSION_WINDOW_SECONDS = inclusionWindowSeconds;
        SPACING_SECONDS = spacingSeconds;
    }

    /// @inheritdoc IL1Queue
    function register(uint256 ax, uint256 ay) external payable returns (uint32 index) {
        if (ax >= SCALAR_FIELD || ay >= SCALAR_FIELD) revert KeyOutOfField(ax, ay);
        index = _nextIndex;
        if (index >= CAPACITY) revert TreeFull(CAPACITY);
        uint64 amountGwei = _receiveDeposit();

        _nextIndex = index + 1;
        _accounts[index] = Account({owner: msg.sender, exitEnd: 0, ax: ax, ay: ay});
        emit AccountRegistered(index, msg.sender, ax, ay);
        _enqueue(DEPOSIT, index, amountGwei);
    }

    /// @inheritdoc IL1Queue
    function topUp(uint32 index, bytes32 expectedAccount) external payable {
        Account storage account = _accounts[index];
        address owner = account.owner;
        // Without this the hash of three zeros would open index 0 and every index that nobody has yet.
        if (owner == address(0)) revert AccountUnknown(index);
        bytes32 actual = keccak256(abi.encode(account.ax, account.ay, owner));
        if (expectedAccount != actual) revert AccountMismatch(index, expectedAccount, actual);
        _enqueue(DEPOSIT, index, _receiveDeposit());
    }

    /// @inheritdoc IL1Queue
    function requestExit(uint32 index) external payable returns (uint256 id) {
        Account storage account = _accounts[index];
        address owner = account.owner;
        if (owner == address(0)) revert AccountUnknown(index);
        if (msg.sender != owner) revert NotAccountOwner(index, msg.sender, owner);
        if (msg.value != ENTRY_FEE_WEI) revert FeeMismatch(msg.value, ENTRY_FEE_WEI);
        uint64 exitEnd = account.exitEnd;
        if (exitEnd > _head) revert ExitPending(index, exitEnd - 1);

        account.exitEnd = _tail + 1;
        return _enqueue(FORCED_EXIT, index, 0);
    }

    /// @inheritdoc IL1Queue
    function accounts(uint32 index) external view returns (address owner, uint256 ax, uint256 ay) {
        Account storage account = _accounts[index];
        return (account.owner, account.ax, account.ay);
    }

    /// @inheritdoc IL1Queue
    function queueItem(
        uint256 id
    ) external view returns (uint8 kind, uint32 index, uint64 amountGwei, uint64 overdueAt) {
        if (id >= _tail) revert ItemUnknown(id, _tail);
        Item storage item = _items[id];
        return (item.kind, item.index, item.amountGwei, item.overdueAt);
    }

    /// @inheritdoc IL1Queue
    function queueHead() external view returns (uint256 id) {
        return _head;
    }

    /// @inheritdoc IL1Queue
    function queueTail() external view returns (uint256 id) {
        return _tail;
    }

    /// @inheritdoc IL1Queue
    function nextIndex() external view returns (uint32 index) {
        return _nextIndex;
    }

    /// @inheritdoc IL1Queue
    function owedGwei() external view returns (uint64 amountGwei) {
        return _owedGwei;
    }

    /// @notice The next entries, removed from the queue.
    /// @dev Refuses more than wait: beyond the tail zero items look like empty slots, and the head would pass entries
    /// that do not exist yet. Refuses fewer than a block has room for while the next one is overdue; "all overdue ones"
    /// would ask for more than fits after a quiet time.
    /// @param count How many.
    /// @param room How many fit into a block.
    /// @return firstItem Id of the first one.
    /// @return entries The entries with their accounts' keys and owners.
    function _takeEntries(uint256 count, uint256 room) internal returns (uint256 firstItem, L1Entry[] memory entries) {
        firstItem = _head;
        uint256 waiting = _tail - firstItem;
        if (count > room) revert TooManyItems(count, room);
        if (count > waiting) revert ItemsNotQueued(count, waiting);
        if (count < room && count < waiting) {
            uint256 overdueAt = _items[firstItem + count].overdueAt;
            if (block.timestamp >= overdueAt) revert ItemOverdue(firstItem + count, overdueAt);
        }

        entries = new L1Entry[](count);
        for (uint256 i = 0; i < count; ++i) {
            Item storage item = _items[firstItem + i];
            uint32 index = item.index;
            Account storage account = _accounts[index];
            entries[i] = L1Entry({
                kind: item.kind,
                index: index,
                amountGwei: item.amountGwei,
                ax: account.ax,
                ay: account.ay,
                owner: account.owner
            });
        }
        _head = uint64(firstItem + count);
    }

    /// @dev Moves exits from what is owed inside to what `withdraw` will pay. With a sound circuit they never exceed
    /// it; should a circuit ever create money, this is where it stops.
    function _releaseOwed(uint256 exitsGwei) internal {
        uint256 owed = _owedGwei;
        if (exitsGwei > owed) revert ExitsOverOwed(exitsGwei, owed);
        _owedGwei = uint64(owed - exitsGwei);
    }

    /// @dev L1 address of an account, zero if nobody has it.
    function _ownerOf(uint256 index) internal view returns (address owner) {
        return _accounts[index].owner;
    }

    /// @dev Appends an entry. Deadlines rise by at least SPACING_SECONDS from one entry to the next, so that a burst
    /// leaves the operator a block for each share of it.
    /// Place kept for refunds after a stop: they go to the payer, who for a top-up need not be the owner and must
    /// then be stored here.
    function _enqueue(uint8 kind, uint32 index, uint64 amountGwei) private returns (uint64 id) {
        id = _tail;
        uint256 overdueAt = block.timestamp + INCLUSION_WINDOW_SECONDS;
        if (id != 0) overdueAt = Math.max(overdueAt, _items[id - 1].overdueAt + SPACING_SECONDS);

        _tail = id + 1;
        _items[id] = Item({kind: kind, index: index, amountGwei: amountGwei, overdueAt: uint64(overdueAt)});
        emit ItemQueued(id, kind, index, amountGwei, uint64(overdueAt));
    }

    /// @dev Checks the payment, burns the fee and counts the rest.
    function _receiveDeposit() private returns (uint64 amountGwei) {
        uint256 minimumWei = ENTRY_FEE_WEI + MIN_DEPOSIT_GWEI * 1 gwei;
        if (msg.value < minimumWei) revert PaymentTooSmall(msg.value, minimumWei);
        uint256 depositWei = msg.value - ENTRY_FEE_WEI;
        if (depositWei % 1 gwei != 0) revert DepositNotWholeGwei(depositWei);
        uint256 depositGwei = depositWei / 1 gwei;
        uint256 room = type(uint64).max - _owedGwei;
        if (depositGwei > room) revert DepositOverLimit(depositGwei, room);

        amountGwei = uint64(depositGwei);
        _owedGwei += amountGwei;
    }
}
