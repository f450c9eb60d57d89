// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICredits} from "../security/ICredits.sol";
import {IL1Queue} from "./IL1Queue.sol";
import {IVerifier} from "./IVerifier.sol";

/// @title Rollup whose blocks are proven
/// @author Proofmill
/// @notice Holds the money and the root of a state tree; the root changes only with a proof that signed transfers,
/// deposits and exits lead from the old one to the new one. docs/contracts.md has states and trust assumptions.
interface IZKRollup is IL1Queue, ICredits {
    /// @notice What a deployment fixes for ever.
    /// @param operator The only one who commits blocks. Can be a contract.
    /// @param sourceDomain Number of this rollup in messages; L1 is 0, so this is not 0.
    /// @param nTx Transfer slots of the circuit.
    /// @param levels Levels of the quaternary state tree: 4^levels leaves.
    /// @param nDeposits L1 slots of the circuit.
    /// @param entryFeeWei Burned by each queue entry.
    /// @param minDepositGwei Smallest deposit.
    /// @param inclusionWindowSeconds Time from entry to overdue.
    /// @param spacingSeconds Least time between two entries' deadlines; at least the block time / nDeposits.
    struct Config {
        address operator;
        uint32 sourceDomain;
        uint32 nTx;
        uint32 levels;
        uint32 nDeposits;
        uint256 entryFeeWei;
        uint64 minDepositGwei;
        uint64 inclusionWindowSeconds;
        uint64 spacingSeconds;
    }

    /// @notice A block was accepted.
    /// @param blockNumber Its number, from 1.
    /// @param stateRoot Root after it.
    event BlockCommitted(uint256 indexed blockNumber, bytes32 stateRoot);

    /// @notice What the block did; together with the queue's events enough to rebuild the state from logs alone.
    /// @dev An event, since a delegated account (EIP-7702) or a contract may call: then no transaction's calldata shows
    /// the bytes.
    /// @param blockNumber Its number.
    /// @param firstItem Id of the first consumed queue entry.
    /// @param itemCount Consumed entries.
    /// @param txData The published bytes.
    event BlockData(uint256 indexed blockNumber, uint256 firstItem, uint8 itemCount, bytes txData);

    /// @notice An exit was turned into credit.
    /// @param txHash Its leaf.
    event TransactionProcessed(bytes32 indexed txHash);

    /// @notice A value of the configuration cannot work.
    /// @param field Its name.
    /// @param got What was given.
    /// @param minimum The smallest allowed.
    /// @param maximum The largest allowed.
    error ConfigOutOfRange(string field, uint256 got, uint256 minimum, uint256 maximum);

    /// @notice There is no contract at the verifier's address.
    /// @param verifier The address.
    error VerifierMissing(address verifier);

    /// @notice Only the operator commits blocks: nobody else authorises who receives the fees.
    /// @param caller Who called.
    /// @param operator Who may.
    error NotOperator(address caller, address operator);

    /// @notice The published bytes are too short or too long for the circuit and the header.
    /// @param got Their length.
    /// @param expected The one length that is accepted, or, if not even the header is there, that of the header.
    error TxDataLength(uint256 got, uint256 expected);

    /// @notice The published bytes have another hash.
    /// @param got The hash that was given.
    /// @param expected The hash that they have.
    error TransactionsHashMismatch(bytes32 got, bytes32 expected);

    /// @notice A public signal is no field element: the verifier would read it modulo r.
    /// @param signal Its position.
    /// @param value What was given.
    error SignalOutOfField(uint256 signal, uint256 value);

    /// @notice A public signal is not what the chain says.
    /// @param signal Its position: 0 previous root, 1 new root, 3 z, 4 y.
    /// @param got What was given.
    /// @param expected What the chain has, or computes from queue, calldata and h.
    error SignalMismatch(uint256 signal, uint256 got, uint256 expected);

    /// @notice The proof does not show a valid transition.
    /// @param blockNumber The block that was refused.
    error InvalidProof(uint256 blockNumber);

    /// @notice An exit pays an account that nobody has.
    /// @param slot Its slot in the block.
    /// @param index The account.
    error ExitOwnerUnknown(uint256 slot, uint256 index);

    /// @notice No block has this number.
    /// @param blockNumber The number.
    /// @param blockCount The last block's number.
    error BlockUnknown(uint256 blockNumber, uint256 blockCount);

    /// @notice The position of an exit is its nonce.
    /// @param nonce The nonce.
    /// @param index The position that was given.
    error IndexMismatch(uint256 nonce, uint256 index);

    /// @notice The caller has no such exit.
    /// @param leaf Leaf made from caller, amount and nonce.
    /// @param index Where it was looked for.
    error ExitNotProven(bytes32 leaf, uint256 index);

    /// @notice The exit was paid before.
    /// @param leaf Its leaf.
    error AlreadyWithdrawn(bytes32 leaf);

    /// @notice Append one block.
    /// @param newStateRoot Root after the block.
    /// @param transactionsHash keccak256 of `txData`.
    /// @param pA Point A of the proof, in G1.
    /// @param pB Point B, in G2; the imaginary part of each coordinate comes first.
    /// @param pC Point C, in G1.
    /// @param publicSignals Previous root, new root, h, z, y: the order of circuits/signals.ts.
    /// @param txData feeIndex u32, l1Count u8, a u64 amount for each forced exit among the next l1Count queue entries,
    /// then nTx records of 21 bytes; big-endian.
    function commitBlock(
        bytes32 newStateRoot,
        bytes32 transactionsHash,
        uint256[2] calldata pA,
        uint256[2][2] calldata pB,
        uint256[2] calldata pC,
        uint256[5] calldata publicSignals,
        bytes calldata txData
    ) external;

    /// @notice Turn one of the caller's exits into credit; `withdrawCredit` then pays it.
    /// @param amountWei What the exit is worth, in wei.
    /// @param nonce Block number << 32 | slot.
    /// @param proof Siblings from the leaf up, exactly as many as the exit tree has levels.
    /// @param index The same as `nonce`.
    function withdraw(uint256 amountWei, uint256 nonce, bytes32[] calldata proof, uint256 index) external;

    /// @notice Whether a leaf is an exit of a block; spent or not.
    /// @param leaf Message leaf, not 0.
    /// @param proof Siblings from the leaf up, exactly as many as the exit tree has levels.
    /// @param index Block number << 32 | slot, the slot below 2^levels.
    /// @return included Whether it is.
    function verifyInclusion(
        bytes32 leaf,
        bytes32[] calldata proof,
        uint256 index
    ) external view returns (bool included);

    /// @notice A block.
    /// @param number Its number; 0 is the genesis.
    /// @return stateRoot Root after it.
    /// @return transactionsHash keccak256 of its published bytes; 0 for the genesis.
    /// @return blockNumber Its number.
    /// @return timestamp L1 time at which it was accepted, Unix seconds.
    /// @return operator Who committed it.
    function blocks(
        uint256 number
    )
        external
        view
        returns (
            bytes32 stateRoot,
            bytes32 transactionsHash,
            uint256 blockNumber,
            uint256 timestamp,
            address operator
        );

    /// @notice First queue entry that a block consumed; with the block's bytes and the queue this rebuilds its data.
    /// @param number The block's number; 0 is the genesis.
    /// @return id The entry.
    function firstItemOf(uint256 number) external view returns (uint256 id);

    /// @notice Root of a block's exit tree.
    /// @param number The block's number.
    /// @return root The root; 0 if the block has no exit or does not exist.
    function exitRoot(uint256 number) external view returns (bytes32 root);

    /// @notice Whether an exit was turned into credit.
    /// @param txHash Its leaf.
    /// @return processed Whether it was.
    function processedTransactions(bytes32 txHash) external view returns (bool processed);

    /// @notice Root after the last block.
    /// @return root A field element.
    function currentStateRoot() external view returns (bytes32 root);

    /// @notice Number of the last block; the genesis has 0.
    /// @return number The number.
    function blockCount() external view returns (uint256 number);

    /// @notice What separates this rollup's signatures and blocks from those of every other one.
    /// @return value 248 bits that depend on the chain id of this moment and on this contract's address.
    function domain() external view returns (uint256 value);

    /// @notice Which circuit the blocks are proven with.
    /// @return id Hash of version and sizes.
    function circuitId() external view returns (bytes32 id);

    /// @notice Who checks the proofs.
    /// @return contractAddress The verifier.
    function verifier() external view returns (IVerifier contractAddress);

    /// @notice What the deployment fixed.
    /// @return values The configuration.
    function config() external view returns (Config memory values);
}
