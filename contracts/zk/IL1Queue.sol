// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What L1 tells the rollup: accounts, deposits, forced exits
/// @author Proofmill
/// @notice One first-in-first-out queue. Every entry burns a fee and gets a time from which it is overdue; an overdue
/// entry cannot be passed over by a block that still has room for it. Amounts inside are gwei, payments are wei.
interface IL1Queue {
    /// @notice An account was given to a key and its owner, for ever.
    /// @param index Position in the state tree, from 1.
    /// @param owner L1 address that may force an exit and is paid the account's exits.
    /// @param ax x of the BabyJubJub key that signs transfers.
    /// @param ay y of that key.
    event AccountRegistered(uint32 indexed index, address indexed owner, uint256 ax, uint256 ay);

    /// @notice An entry was queued.
    /// @param id Its place: entries are consumed in the order of ids, from 0, without gaps.
    /// @param kind 1 deposit, 2 forced full exit.
    /// @param index The account.
    /// @param amountGwei What is deposited; 0 for a forced exit, whose amount is the balance at that moment.
    /// @param overdueAt Unix time from which a block with a free slot must take it.
    event ItemQueued(uint256 indexed id, uint8 kind, uint32 indexed index, uint64 amountGwei, uint64 overdueAt);

    /// @notice All indices of the state tree are taken.
    /// @param capacity Leaves of the tree; index 0 is never an account.
    error TreeFull(uint256 capacity);

    /// @notice A key coordinate is no field element.
    /// @param ax x that was given.
    /// @param ay y that was given.
    error KeyOutOfField(uint256 ax, uint256 ay);

    /// @notice The payment does not cover the entry fee and the minimum deposit.
    /// @param gotWei What was sent.
    /// @param minimumWei What is needed at least.
    error PaymentTooSmall(uint256 gotWei, uint256 minimumWei);

    /// @notice The deposit, which is the payment less the entry fee, is no whole number of gwei.
    /// @param depositWei The deposit.
    error DepositNotWholeGwei(uint256 depositWei);

    /// @notice The rollup would owe more than 2^64 - 1 gwei.
    /// @param depositGwei The deposit.
    /// @param roomGwei The largest one possible now.
    error DepositOverLimit(uint256 depositGwei, uint256 roomGwei);

    /// @notice A forced exit carries exactly the entry fee.
    /// @param gotWei What was sent.
    /// @param expectedWei The fee.
    error FeeMismatch(uint256 gotWei, uint256 expectedWei);

    /// @notice Nobody has this account.
    /// @param index The account.
    error AccountUnknown(uint32 index);

    /// @notice The account belongs to another key or owner than the caller thinks, after an L1 reorganisation perhaps.
    /// @param index The account.
    /// @param got keccak256(abi.encode(ax, ay, owner)) as the caller expects it.
    /// @param expected The same of the account as it is.
    error AccountMismatch(uint32 index, bytes32 got, bytes32 expected);

    /// @notice Only the owner forces an exit.
    /// @param index The account.
    /// @param caller Who called.
    /// @param owner Who may.
    error NotAccountOwner(uint32 index, address caller, address owner);

    /// @notice The account's last forced exit still waits in the queue.
    /// @param index The account.
    /// @param id The waiting entry.
    error ExitPending(uint32 index, uint256 id);

    /// @notice No entry has this id yet.
    /// @param id The id.
    /// @param queueTail The first free id.
    error ItemUnknown(uint256 id, uint256 queueTail);

    /// @notice A block consumes more entries than it has room for.
    /// @param got Entries of the block.
    /// @param room Entries that fit.
    error TooManyItems(uint256 got, uint256 room);

    /// @notice A block consumes more entries than wait.
    /// @param got Entries of the block.
    /// @param waiting Entries in the queue.
    error ItemsNotQueued(uint256 got, uint256 waiting);

    /// @notice A block has room for an overdue entry and passes it over.
    /// @param id The entry.
    /// @param overdueAt Unix time from which it is overdue.
    error ItemOverdue(uint256 id, uint256 overdueAt);

    /// @notice A block's exits are more than everything that the rollup owes inside.
    /// @param exitsGwei The exits.
    /// @param owedGwei What is owed.
    error ExitsOverOwed(uint256 exitsGwei, uint256 owedGwei);

    /// @notice Take the next account index for the caller and queue its first deposit.
    /// @dev The payment is the entry fee plus the deposit, whole gwei. Owner is the caller, so nobody can put a key of
    /// someone else under an address of their own, or the reverse, on the other's behalf.
    /// @param ax x of the caller's BabyJubJub key, < r. That the point is on the curve is checked where it signs.
    /// @param ay y of that key, < r.
    /// @return index The account.
    function register(uint256 ax, uint256 ay) external payable returns (uint32 index);

    /// @notice Queue a deposit to an existing account; anybody may.
    /// @dev The payment is the entry fee plus the deposit, whole gwei.
    /// @param index The account.
    /// @param expectedAccount keccak256(abi.encode(ax, ay, owner)) of the account that is meant.
    function topUp(uint32 index, bytes32 expectedAccount) external payable;

    /// @notice Queue the exit of an account's whole balance, without the operator's consent.
    /// @dev Only by the owner, paying exactly the entry fee; one at a time, until a block has taken the entry.
    /// @param index The account.
    /// @return id The entry.
    function requestExit(uint32 index) external payable returns (uint256 id);

    /// @notice An account.
    /// @param index Position in the state tree.
    /// @return owner Its L1 address; zero if nobody has it.
    /// @return ax x of its key.
    /// @return ay y of its key.
    function accounts(uint32 index) external view returns (address owner, uint256 ax, uint256 ay);

    /// @notice An entry, waiting or consumed: entries are never deleted, so that old blocks can be rebuilt.
    /// @param id Its place.
    /// @return kind 1 deposit, 2 forced full exit.
    /// @return index The account.
    /// @return amountGwei What is deposited; 0 for a forced exit.
    /// @return overdueAt Unix time from which a block with a free slot must take it.
    function queueItem(
        uint256 id
    ) external view returns (uint8 kind, uint32 index, uint64 amountGwei, uint64 overdueAt);

    /// @notice Id of the entry that is consumed next.
    /// @return id Equal to the tail when nothing waits.
    function queueHead() external view returns (uint256 id);

    /// @notice Id that the next entry will get; also how many fees were burned so far.
    /// @return id The first free id.
    function queueTail() external view returns (uint256 id);

    /// @notice Index that the next account will get.
    /// @return index From 1 to the tree's capacity.
    function nextIndex() external view returns (uint32 index);

    /// @notice What the rollup owes inside: every balance in the state tree and every deposit in the queue.
    /// @return amountGwei At most 2^64 - 1, so that no balance can ever overflow.
    function owedGwei() external view returns (uint64 amountGwei);
}
