// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICredits} from "../security/ICredits.sol";

/// @title What L1 tells a ledger: deposits and forced payments
/// @author Proofmill
/// @notice One first-in-first-out queue that nobody can keep anybody out of. An entry is taken by the sequencer's next
/// batch before its soft deadline, or by anybody after its hard one.
interface IForcedQueue is ICredits {
    /// @notice What a deployment fixes for ever.
    /// @param sequencer The only one who commits batches of records. Can be a contract.
    /// @param exitPayer Who pays exits out of the escrow: a contract that checks final exit roots. Zero: nobody, yet.
    /// @param entryFeeWei Burned by each entry.
    /// @param maxOpen Entries that may wait at once.
    /// @param softDeadlineSeconds Age from which no batch of the sequencer may pass an entry over.
    /// @param hardDeadlineSeconds Age from which anybody may include an entry.
    struct Config {
        address sequencer;
        address exitPayer;
        uint256 entryFeeWei;
        uint64 maxOpen;
        uint64 softDeadlineSeconds;
        uint64 hardDeadlineSeconds;
    }

    /// @notice An entry was queued.
    /// @param id Its place: entries are executed in the order of ids, from 0, without gaps.
    /// @param opcode What it does: 1 deposit, 4 forced payment.
    /// @param item What the VM reads, behind the batch's number; see TxCodec.
    event EntryQueued(uint64 indexed id, uint8 opcode, bytes item);

    /// @notice Money left the escrow.
    /// @param account Who is credited.
    /// @param amountWei How much.
    event EscrowReleased(address indexed account, uint256 amountWei);

    /// @notice A value of the configuration cannot work.
    /// @param field Its name.
    /// @param got What was given.
    /// @param minimum The smallest allowed.
    /// @param maximum The largest allowed.
    error InboxConfigOutOfRange(string field, uint256 got, uint256 minimum, uint256 maximum);

    /// @notice As many entries wait as may.
    /// @param maxOpen How many.
    error QueueFull(uint64 maxOpen);

    /// @notice A forced payment carries exactly the fee.
    /// @param gotWei What was sent.
    /// @param expectedWei The fee.
    error EntryFeeMismatch(uint256 gotWei, uint256 expectedWei);

    /// @notice A deposit carries more than the fee.
    /// @param gotWei What was sent.
    /// @param feeWei The fee.
    error NothingToDeposit(uint256 gotWei, uint256 feeWei);

    /// @notice No account can belong to the zero address, and a refund would cost the depositor an exit.
    error DepositToNobody();

    /// @notice The bytes are longer than any instruction.
    /// @param got Their length.
    /// @param maximum The largest allowed.
    error EntryTooLong(uint256 got, uint256 maximum);

    /// @notice No entry has this id yet.
    /// @param id The id.
    /// @param queueTail The first free id.
    error EntryUnknown(uint64 id, uint64 queueTail);

    /// @notice Only the payer of exits moves the escrow.
    /// @param caller Who called.
    /// @param exitPayer Who may.
    error NotExitPayer(address caller, address exitPayer);

    /// @notice More than was deposited and not yet released.
    /// @param amountWei What was asked for.
    /// @param escrowWei What is there.
    error EscrowTooLow(uint256 amountWei, uint256 escrowWei);

    /// @notice Queue a payment of the caller's account, without the sequencer's consent.
    /// @dev The caller is the authority: its address, or its alias if it is a contract, must own the paying account.
    /// The bytes are not looked at here; what makes no sense does nothing when it is executed.
    /// @param transaction opcode and payment, see TxCodec; at most 256 bytes.
    /// @return id The entry.
    function enforceInclusion(bytes calldata transaction) external payable returns (uint64 id);

    /// @notice Queue a deposit of everything beyond the fee.
    /// @dev If the account cannot take it when the entry is executed, an exit returns it to the caller.
    /// @param to The account.
    /// @param toOwner Its owner, now or by this deposit.
    /// @return id The entry.
    function deposit(uint32 to, address toOwner) external payable returns (uint64 id);

    /// @notice Credit somebody out of the escrow.
    /// @dev The payer vouches for the exit; the escrow's sum is the limit of what its errors can cost.
    /// @param account Who is credited.
    /// @param amountWei How much.
    function release(address account, uint256 amountWei) external;

    /// @notice What the deployment fixed.
    /// @return values All of it.
    function config() external view returns (Config memory values);

    /// @notice An entry, waiting or executed: entries are never deleted, since a dispute may need them.
    /// @param id Its place.
    /// @return hash keccak256 over tag, id, opcode and item.
    /// @return enqueuedAt Unix time of its block.
    function queueEntry(uint64 id) external view returns (bytes32 hash, uint64 enqueuedAt);

    /// @notice Id of the entry that the next batch begins with.
    /// @return id Equal to the tail if nothing waits.
    function queueHead() external view returns (uint64 id);

    /// @notice Id that the next entry will get; also how many fees were burned.
    /// @return id The first free id.
    function queueTail() external view returns (uint64 id);

    /// @notice Deposits that were not released yet.
    /// @return amountWei Their sum.
    function escrowWei() external view returns (uint256 amountWei);
}
