// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {L1_DOMAIN, Message, MessageLeaf} from "../bridge/MessageLeaf.sol";
import {Credits} from "../security/Credits.sol";
import {BatchData, L1Entry} from "./BatchData.sol";
import {ExitTree} from "./ExitTree.sol";
import {IVerifier} from "./IVerifier.sol";
import {IZKRollup} from "./IZKRollup.sol";
import {L1Queue} from "./L1Queue.sol";
import {RollupConfig} from "./RollupConfig.sol";
import {SCALAR_FIELD} from "./ScalarField.sol";

/// @dev keccak256("proofmill.zk.v1"): separates domains from every other use of keccak256.
bytes32 constant ZK_TAG = keccak256("proofmill.zk.v1");

/// @dev keccak256("proofmill.circuit.v1"): separates circuit ids from every other use of keccak256.
bytes32 constant CIRCUIT_TAG = keccak256("proofmill.circuit.v1");

/// @dev Version of the batch circuit that this contract speaks to.
uint256 constant CIRCUIT_VERSION = 1;

/// @title Rollup whose blocks are proven
/// @author Proofmill
/// @notice One operator commits blocks; everybody registers, deposits, forces exits and withdraws.
/// @dev Three writes a block, four with exits: its root, its data hash, its time with the first queue entry, its exit
/// root. The last root is read from the last block, so there is nothing to keep in step with it.
///
/// Places kept for what follows:
/// - Hard deadline and exodus: the entry at `queueHead()` carries its deadline; a stop is one more condition at the
///   beginning of `commitBlock` and of the queue's three entrances. `withdraw` stays outside it.
/// - Soundness alarm: previous root, new root and data of every block follow from `blocks`, `firstItemOf`, the queue
///   (never deleted) and the published bytes under `transactionsHash`; it needs no further write.
contract ZKRollup is IZKRollup, L1Queue, Credits {
    /// @dev As stored; number and operator are known without it.
    struct StoredBlock {
        bytes32 stateRoot;
        bytes32 transactionsHash;
        uint64 timestamp;
        uint64 firstItem;
    }

    // Public signals, in the order of circuits/signals.ts.
    uint256 private constant SIGNAL_COUNT = 5;
    uint256 private constant SIGNAL_PREVIOUS_ROOT = 0;
    uint256 private constant SIGNAL_NEW_ROOT = 1;
    uint256 private constant SIGNAL_H = 2;
    uint256 private constant SIGNAL_Z = 3;
    uint256 private constant SIGNAL_Y = 4;

    IVerifier private immutable VERIFIER;
    address private immutable OPERATOR;
    uint32 private immutable SOURCE_DOMAIN;
    uint256 private immutable N_TX;
    uint256 private immutable LEVELS;
    uint256 private immutable N_DEPOSITS;
    uint256 private immutable EXIT_LEVELS;
    bytes32 private immutable CIRCUIT_ID;
    uint256 private immutable DEPLOYMENT_CHAIN_ID;
    uint256 private immutable DEPLOYMENT_DOMAIN;

    uint32 private _blockCount; // shares the queue's slot, see L1Queue

    mapping(uint256 number => StoredBlock stored) private _blocks;
    mapping(uint256 number => bytes32 root) private _exitRoots;

    /// @inheritdoc IZKRollup
    mapping(bytes32 txHash => bool processed) public processedTransactions;

    /// @notice Open the rollup with an empty state tree.
    /// @param verifier_ Contract generated from the verification key of the circuit that `config_` describes.
    /// @param genesisStateRoot Root of the empty tree with `levels` levels.
    /// @param config_ What this deployment fixes for ever.
    constructor(
        IVerifier verifier_,
        bytes32 genesisStateRoot,
        Config memory config_
    )
        L1Queue(
            RollupConfig.checked(config_).levels,
            config_.entryFeeWei,
            config_.minDepositGwei,
            config_.inclusionWindowSeconds,
            config_.spacingSeconds
        )
    {
        if (address(verifier_).code.length == 0) revert VerifierMissing(address(verifier_));
        if (uint256(genesisStateRoot) >= SCALAR_FIELD) {
            revert SignalOutOfField(SIGNAL_PREVIOUS_ROOT, uint256(genesisStateRoot));
        }
        VERIFIER = verifier_;
        OPERATOR = config_.operator;
        SOURCE_DOMAIN = config_.sourceDomain;
        N_TX = config_.nTx;
        LEVELS = config_.levels;
        N_DEPOSITS = config_.nDeposits;
        EXIT_LEVELS = ExitTree.depth(uint256(config_.nDeposits) + config_.nTx);
        CIRCUIT_ID = keccak256(
            abi.encode(CIRCUIT_TAG, CIRCUIT_VERSION, config_.nTx, config_.levels, config_.nDeposits)
        );
        DEPLOYMENT_CHAIN_ID = block.chainid;
        DEPLOYMENT_DOMAIN = _domain();
        _blocks[0] = StoredBlock({
            stateRoot: genesisStateRoot,
            transactionsHash: 0,
            timestamp: uint64(block.timestamp),
            firstItem: 0
        });
    }

    /// @inheritdoc IZKRollup
    function commitBlock(
        bytes32 newStateRoot,
        bytes32 transactionsHash,
        uint256[2] calldata pA,
        uint256[2][2] calldata pB,
        uint256[2] calldata pC,
        uint256[5] calldata publicSignals,
        bytes calldata txData
    ) external {
        if (msg.sender != OPERATOR) revert NotOperator(msg.sender, OPERATOR);
        bytes32 txDataHash = keccak256(txData);
        if (transactionsHash != txDataHash) revert TransactionsHashMismatch(transactionsHash, txDataHash);

        uint32 number = _blockCount + 1;
        uint256 itemCount = BatchData.itemCount(txData);
        (uint256 firstItem, L1Entry[] memory entries) = _takeEntries(itemCount, N_DEPOSITS);
        uint256[] memory d = BatchData.elements(domain(), number, entries, txData, N_DEPOSITS, N_TX);
        _checkSignals(newStateRoot, publicSignals, d);
        if (!VERIFIER.verifyProof(pA, pB, pC, publicSignals)) revert InvalidProof(number);

        _settleExits(number, d);
        _blocks[number] = StoredBlock({
            stateRoot: newStateRoot,
            transactionsHash: transactionsHash,
            timestamp: uint64(block.timestamp),
            firstItem: uint64(firstItem)
        });
        _blockCount = number;
        emit BlockCommitted(number, newStateRoot);
        emit BlockData(number, firstItem, uint8(itemCount), txData);
    }

    /// @inheritdoc IZKRollup
    function withdraw(uint256 amountWei, uint256 nonce, bytes32[] calldata proof, uint256 index) external {
        if (index != nonce) revert IndexMismatch(nonce, index);
        bytes32 leaf = _exitLeaf(msg.sender, amountWei, nonce);
        if (processedTransactions[leaf]) revert AlreadyWithdrawn(leaf);
        if (!verifyInclusion(leaf, proof, index)) revert ExitNotProven(leaf, index);

        // A nonce names one place in one tree and the leaf contains it: spending the leaf spends the nonce.
        processedTransactions[leaf] = true;
        emit TransactionProcessed(leaf);
        _addCredit(msg.sender, amountWei);
    }

    /// @inheritdoc IZKRollup
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
        )
    {
        StoredBlock storage stored = _block(number);
        return (stored.stateRoot, stored.transactionsHash, number, stored.timestamp, OPERATOR);
    }

    /// @inheritdoc IZKRollup
    function firstItemOf(uint256 number) external view returns (uint256 id) {
        return _block(number).firstItem;
    }

    /// @inheritdoc IZKRollup
    function exitRoot(uint256 number) external view returns (bytes32 root) {
        return _exitRoots[number];
    }

    /// @inheritdoc IZKRollup
    function blockCount() external view returns (uint256 number) {
        return _blockCount;
    }

    /// @inheritdoc IZKRollup
    function circuitId() external view returns (bytes32 id) {
        return CIRCUIT_ID;
    }

    /// @inheritdoc IZKRollup
    function verifier() external view returns (IVerifier contractAddress) {
        return VERIFIER;
    }

    /// @inheritdoc IZKRollup
    function config() external view returns (Config memory values) {
        return
            Config({
                operator: OPERATOR,
                sourceDomain: SOURCE_DOMAIN,
                nTx: uint32(N_TX),
                levels: uint32(LEVELS),
                nDeposits: uint32(N_DEPOSITS),
                entryFeeWei: ENTRY_FEE_WEI,
                minDepositGwei: uint64(MIN_DEPOSIT_GWEI),
                inclusionWindowSeconds: uint64(INCLUSION_WINDOW_SECONDS),
                spacingSeconds: uint64(SPACING_SECONDS)
            });
    }

    /// @inheritdoc IZKRollup
    function verifyInclusion(
        bytes32 leaf,
        bytes32[] calldata proof,
        uint256 index
    ) public view returns (bool included) {
        uint256 slot = uint32(index);
        bytes32 root = _exitRoots[index >> 32];
        if (leaf == 0 || root == 0 || proof.length != EXIT_LEVELS) return false;
        if (index > type(uint64).max || slot >> EXIT_LEVELS != 0) return false;
        return ExitTree.climb(leaf, proof, slot) == root;
    }

    /// @inheritdoc IZKRollup
    function currentStateRoot() public view returns (bytes32 root) {
        return _blocks[_blockCount].stateRoot;
    }

    /// @inheritdoc IZKRollup
    function domain() public view returns (uint256 value) {
        return block.chainid == DEPLOYMENT_CHAIN_ID ? DEPLOYMENT_DOMAIN : _domain();
    }

    /// @dev The point at which d is evaluated. Everything that the evaluation reads must be under it, and h as well:
    /// who knows z before d is fixed can solve one linear equation and make two different d agree. Virtual so that
    /// tests can show this attack against weakened copies.
    function _challenge(uint256[] memory d, uint256 h) internal view virtual returns (uint256 z) {
        return BatchData.challenge(CIRCUIT_ID, d, h);
    }

    /// @dev Builds the exit tree from d, the array that the proof is bound to; nothing else is read but the owners.
    /// Types and indices need no check: the circuit admits no record of another type or with an index outside the tree.
    function _settleExits(uint256 number, uint256[] memory d) private {
        (uint256 slot, uint256 index, uint256 amountGwei) = BatchData.nextExit(d, 0, N_DEPOSITS);
        uint256 slots = N_DEPOSITS + N_TX;
        if (slot == slots) return;
        bytes32[] memory leaves = new bytes32[](slots);
        uint256 totalGwei;
        while (slot < slots) {
            address owner = _ownerOf(index);
            if (owner == address(0)) revert ExitOwnerUnknown(slot, index);
            leaves[slot] = _exitLeaf(owner, amountGwei * 1 gwei, (number << 32) | slot);
            totalGwei += amountGwei;
            (slot, index, amountGwei) = BatchData.nextExit(d, slot + 1, N_DEPOSITS);
        }
        _exitRoots[number] = ExitTree.root(leaves);
        _releaseOwed(totalGwei);
    }

    function _checkSignals(bytes32 newStateRoot, uint256[5] calldata signals, uint256[] memory d) private view {
        // Left out, x and x + r would be the same signal to the verifier and two to this contract.
        for (uint256 i = 0; i < SIGNAL_COUNT; ++i) {
            if (signals[i] >= SCALAR_FIELD) revert SignalOutOfField(i, signals[i]);
        }
        _checkSignal(signals, SIGNAL_PREVIOUS_ROOT, uint256(currentStateRoot()));
        _checkSignal(signals, SIGNAL_NEW_ROOT, uint256(newStateRoot));
        uint256 z = _challenge(d, signals[SIGNAL_H]);
        _checkSignal(signals, SIGNAL_Z, z);
        _checkSignal(signals, SIGNAL_Y, BatchData.evaluate(d, z));
    }

    /// @dev An exit is a message of its owner to itself with nothing but money. Only `withdraw` pays it: a bridge must
    /// not accept this contract as a source bridge.
    function _exitLeaf(address owner, uint256 amountWei, uint256 nonce) private view returns (bytes32 leaf) {
        Message memory message = Message({
            sender: owner,
            target: owner,
            data: "",
            value: amountWei,
            gasLimit: 0,
            nonce: nonce
        });
        return MessageLeaf.hash(SOURCE_DOMAIN, L1_DOMAIN, address(this), message);
    }

    function _block(uint256 number) private view returns (StoredBlock storage stored) {
        if (number > _blockCount) revert BlockUnknown(number, _blockCount);
        return _blocks[number];
    }

    function _domain() private view returns (uint256 value) {
        return uint256(keccak256(abi.encode(ZK_TAG, block.chainid, address(this)))) >> 8;
    }

    function _checkSignal(uint256[5] calldata signals, uint256 position, uint256 expected) private pure {
        if (signals[position] != expected) revert SignalMismatch(position, signals[position], expected);
    }
}
