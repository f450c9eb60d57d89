// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {ILedgerVM} from "../ledger/ILedgerVM.sol";
import {LedgerTypes, VMState} from "../ledger/LedgerTypes.sol";
import {CanonicalCall} from "../security/CanonicalCall.sol";
import {Credits} from "../security/Credits.sol";
import {InteractiveFraudProof} from "./InteractiveFraudProof.sol";
import {IOptimisticRollup} from "./IOptimisticRollup.sol";
import {OptimisticConfig} from "./OptimisticConfig.sol";

/// @title Optimistic rollup
/// @author Proofmill
/// @notice The implementation; callers read IOptimisticRollup.
/// @dev Money: each pending entry holds one bond, each game that is not over one deposit, and everything else that is
/// here is credited to somebody. What is burned is credited to the zero address, from which nobody ever calls. No
/// function loops but over what its caller lists.
contract OptimisticRollup is IOptimisticRollup, InteractiveFraudProof, Credits, CanonicalCall {
    /// @dev The games of one entry that are not over form a list, so that any of them can end in constant time and the
    /// earliest is always known. A game without neighbours, the usual case, has nothing stored here.
    struct Neighbours {
        uint64 previous;
        uint64 next;
    }

    /// @notice What executes instructions.
    ILedgerVM public immutable VM;
    /// @notice Where the instructions are.
    IDataAvailability public immutable INBOX;

    uint256 internal immutable PROPOSER_BOND_WEI;
    uint256 internal immutable CHALLENGE_DEPOSIT_WEI;
    uint256 internal immutable CHALLENGE_PERIOD_SECONDS;
    uint256 internal immutable GRACE_SECONDS;
    uint256 internal immutable MAX_BATCHES;

    uint64 private _stateRootCount;
    uint64 private _latestBatchEnd;

    mapping(bytes32 key => Claim content) private _claims;
    mapping(uint64 id => StateRoot entry) private _stateRoots;
    mapping(bytes32 stake => uint64 id) private _entryOf;
    mapping(uint64 batchEnd => bytes32 key) private _finalKeyAt;
    mapping(uint256 batchEnd => bytes32 root) private _exitRoots;
    mapping(uint64 challengeId => Neighbours games) private _neighbours;

    /// @notice A rollup at its genesis, which is final.
    /// @param vm What executes instructions; made for this contract's address.
    /// @param inbox Where the instructions are.
    /// @param config_ The rest.
    constructor(
        ILedgerVM vm,
        IDataAvailability inbox,
        Config memory config_
    ) InteractiveFraudProof(OptimisticConfig.checked(config_).clockSeconds) {
        if (vm.rollup() != address(this)) revert ForeignLedger(vm.rollup());
        VM = vm;
        INBOX = inbox;
        PROPOSER_BOND_WEI = config_.proposerBondWei;
        CHALLENGE_DEPOSIT_WEI = config_.challengeDepositWei;
        CHALLENGE_PERIOD_SECONDS = config_.challengePeriodSeconds;
        GRACE_SECONDS = config_.graceSeconds;
        MAX_BATCHES = config_.maxBatches;
        bytes32 root = vm.genesisRoot();
        bytes32 key = keyOf(0, root);
        _claims[key] = Claim({root: root, batchEnd: 0, nextBatchEnd: _nextBatchEnd(0, inbox.batchCount())});
        _finalKeyAt[0] = key;
        emit StateRootFinalized(0, root);
    }

    /// @inheritdoc IOptimisticRollup
    function proposeStateRoot(bytes32 stateRoot, bytes32 parentKey) external payable returns (uint64 id) {
        _takeStake(PROPOSER_BOND_WEI);
        if (stateRoot == 0) revert RootZero();
        Claim storage parent = _claims[parentKey];
        if (parent.root == 0) revert ClaimUnknown(parentKey);
        uint64 batchEnd = parent.nextBatchEnd;
        uint64 batchCount = INBOX.batchCount();
        if (batchEnd > batchCount) revert BatchesMissing(batchEnd, batchCount);
        if (batchEnd <= _latestBatchEnd) revert AlreadyFinal(batchEnd, _latestBatchEnd);

        bytes32 key = keyOf(batchEnd, stateRoot);
        bytes32 stake = _stakeKey(key, parentKey, msg.sender);
        if (_entryOf[stake] != 0) revert AlreadyProposed(_entryOf[stake]);
        id = ++_stateRootCount;
        _entryOf[stake] = id;
        if (_claims[key].root == 0) {
            _claims[key] = Claim({
                root: stateRoot,
                batchEnd: batchEnd,
                nextBatchEnd: _nextBatchEnd(batchEnd, batchCount)
            });
        }
        StateRoot storage entry = _stateRoots[id];
        entry.key = key;
        entry.parentKey = parentKey;
        entry.proposer = msg.sender;
        entry.deadline = uint64(block.timestamp + CHALLENGE_PERIOD_SECONDS);
        entry.status = Status.Pending;
        emit StateRootProposed(id, parentKey, stateRoot, batchEnd, msg.sender);
    }

    /// @inheritdoc IOptimisticRollup
    function challengeStateRoot(uint64 id) external payable returns (uint64 challengeId) {
        _takeStake(CHALLENGE_DEPOSIT_WEI);
        StateRoot storage entry = _pending(id);
        if (_isChallengePeriodOver(entry)) revert ChallengePeriodOver(id, entry.deadline);
        if (msg.sender == entry.proposer) revert OwnStateRoot(id);

        Claim storage claim = _claims[entry.key];
        Claim storage parent = _claims[entry.parentKey];
        // Counted by the inbox: a proposer who said more or fewer could shift every instruction.
        uint64 instructions = INBOX.cumulative(claim.batchEnd) - INBOX.cumulative(parent.batchEnd);
        challengeId = _begin(id, instructions, parent.root, claim.root);
        _link(entry, challengeId);
    }

    /// @inheritdoc IOptimisticRollup
    function finalizeStateRoots(uint64[] calldata ids) external {
        bytes32 finalKey = _finalKeyAt[_latestBatchEnd];
        for (uint256 i = 0; i < ids.length; ++i) finalKey = _finalize(ids[i], finalKey);
    }

    /// @inheritdoc IOptimisticRollup
    function claimOrphan(uint64 id) external {
        StateRoot storage entry = _pending(id);
        Status status = _fate(entry.key, entry.parentKey);
        if (status == Status.Pending) revert NotDecidedByChain(id);
        entry.status = status;
        emit StateRootOrphaned(id, status);
        if (status == Status.Refunded) {
            _addCredit(entry.proposer, PROPOSER_BOND_WEI);
        } else {
            // Without a challenger nobody earned the other half.
            uint64 firstOpen = entry.firstOpen;
            _slash(firstOpen == 0 ? address(0) : _known(firstOpen).challenger);
        }
    }

    /// @inheritdoc IOptimisticRollup
    function refundChallenge(uint64 challengeId) external {
        Challenge storage game = _abandon(challengeId);
        if (_stateRoots[game.rootId].status == Status.Pending) revert StateRootPending(game.rootId);
        emit ChallengeRefunded(challengeId);
        _addCredit(game.challenger, CHALLENGE_DEPOSIT_WEI);
    }

    /// @inheritdoc IOptimisticRollup
    function showExitRoot(uint64 batchEnd, VMState calldata state) external {
        bytes32 root = LedgerTypes.stateRoot(state);
        if (_finalKeyAt[batchEnd] != keyOf(batchEnd, root)) revert StateNotFinal(batchEnd, root);
        _exitRoots[batchEnd] = state.exitRoot;
        emit ExitRootShown(batchEnd, state.exitRoot);
    }

    /// @inheritdoc IOptimisticRollup
    function exitRoot(uint256 batchEnd) external view returns (bytes32 root) {
        return _exitRoots[batchEnd];
    }

    /// @inheritdoc IOptimisticRollup
    function stateRoots(uint64 id) external view returns (StateRoot memory entry) {
        entry = _stateRoots[id];
        if (entry.status == Status.None) revert StateRootUnknown(id);
    }

    /// @inheritdoc IOptimisticRollup
    function stateRootCount() external view returns (uint64 count) {
        return _stateRootCount;
    }

    /// @inheritdoc IOptimisticRollup
    function claims(bytes32 key) external view returns (Claim memory content) {
        return _claims[key];
    }

    /// @inheritdoc IOptimisticRollup
    function entryOf(bytes32 key, bytes32 parentKey, address proposer) external view returns (uint64 id) {
        return _entryOf[_stakeKey(key, parentKey, proposer)];
    }

    /// @inheritdoc IOptimisticRollup
    function finalKeyAt(uint64 batchEnd) external view returns (bytes32 key) {
        return _finalKeyAt[batchEnd];
    }

    /// @inheritdoc IOptimisticRollup
    function latestBatchEnd() external view returns (uint64 batchEnd) {
        return _latestBatchEnd;
    }

    /// @inheritdoc IOptimisticRollup
    function config() external view returns (Config memory values) {
        return
            Config({
                proposerBondWei: PROPOSER_BOND_WEI,
                challengeDepositWei: CHALLENGE_DEPOSIT_WEI,
                challengePeriodSeconds: uint32(CHALLENGE_PERIOD_SECONDS),
                clockSeconds: CLOCK,
                graceSeconds: uint32(GRACE_SECONDS),
                maxBatches: uint32(MAX_BATCHES)
            });
    }

    /// @inheritdoc IOptimisticRollup
    function keyOf(uint64 batchEnd, bytes32 root) public pure returns (bytes32 key) {
        return keccak256(abi.encode(batchEnd, root));
    }

    /// @dev What is virtual below is so that tests can show what weakened copies lose.
    /// The first win rejects the entry; all its other games then wait to be refunded. A won defence ends one game
    /// and closes nothing for others, so that to lose on purpose achieves nothing.
    function _settle(uint64 challengeId, Challenge storage game, bool challengerWon) internal virtual override {
        uint64 id = game.rootId;
        StateRoot storage entry = _stateRoots[id];
        if (challengerWon) {
            entry.status = Status.Rejected;
            emit StateRootRejected(id);
            _addCredit(game.challenger, CHALLENGE_DEPOSIT_WEI);
            _slash(game.challenger);
        } else {
            _unlink(entry, challengeId);
            entry.lastResolvedAt = uint64(block.timestamp);
            _addCredit(entry.proposer, CHALLENGE_DEPOSIT_WEI);
        }
    }

    /// @dev Appends a game to those of its entry.
    function _link(StateRoot storage entry, uint64 challengeId) internal virtual {
        uint64 last = entry.lastOpen;
        if (last == 0) {
            entry.firstOpen = challengeId;
        } else {
            _neighbours[last].next = challengeId;
            _neighbours[challengeId].previous = last;
        }
        entry.lastOpen = challengeId;
        ++entry.openChallenges;
    }

    /// @dev Instruction and state come from nobody's word: the inbox says what stands at this step, and the state has
    /// to hash to what both parties agree on.
    function _executeStep(
        Challenge memory game,
        bytes calldata inputs,
        bytes calldata preState
    ) internal view virtual override returns (bytes32 postState) {
        bytes32 shown = VM.preStateRoot(preState);
        if (shown != game.loState) revert PreStateMismatch(shown, game.loState);
        uint64 first = INBOX.cumulative(_claims[_stateRoots[game.rootId].parentKey].batchEnd);
        (uint8 opcode, bytes memory instruction) = INBOX.instructionAt(first + game.lo, inputs);
        (postState, , ) = VM.executeInstruction(opcode, instruction, preState);
    }

    /// @dev The proposer, as long as its stake is there.
    function _defenderOf(uint64 rootId) internal view override returns (address defender) {
        return _pending(rootId).proposer;
    }

    /// @dev What the finalized chain says about a claim; Pending if nothing. By height, not only by what is stored at
    /// it: the finalized chain may have passed over the height of a claim that built on a wrong one.
    function _fate(bytes32 key, bytes32 parentKey) internal view virtual returns (Status status) {
        uint64 finalEnd = _latestBatchEnd;
        uint64 batchEnd = _claims[key].batchEnd;
        if (batchEnd <= finalEnd && _finalKeyAt[batchEnd] == key) return Status.Refunded;
        uint64 parentEnd = _claims[parentKey].batchEnd;
        if (parentEnd > finalEnd) return Status.Pending;
        if (_finalKeyAt[parentEnd] != parentKey) return Status.Refunded;
        // Its parent is final and so is another claim about the same batches: of two different ones, one is false.
        return batchEnd <= finalEnd ? Status.Slashed : Status.Pending;
    }

    /// @dev From the deadline on an entry can be made final, so up to it, and not in its second, it can be challenged.
    function _isChallengePeriodOver(StateRoot storage entry) internal view virtual returns (bool isOver) {
        return block.timestamp >= entry.deadline;
    }

    function _checkFinalizable(uint64 id, StateRoot storage entry, bytes32 finalKey) internal view virtual {
        if (entry.parentKey != finalKey) revert ParentNotFinal(id, entry.parentKey, finalKey);
        if (entry.openChallenges != 0) revert ChallengesOpen(id, entry.openChallenges);
        uint256 earliest = entry.deadline;
        if (entry.lastResolvedAt != 0) earliest = Math.max(earliest, entry.lastResolvedAt + GRACE_SECONDS);
        if (block.timestamp < earliest) revert TooEarly(id, earliest);
    }

    function _takeStake(uint256 stakeWei) internal view virtual {
        if (msg.value != stakeWei) revert StakeMismatch(msg.value, stakeWei);
    }

    /// @dev One stake of one proposer; not one root, see `proposeStateRoot`.
    function _stakeKey(bytes32 key, bytes32 parentKey, address proposer) internal pure virtual returns (bytes32 stake) {
        return keccak256(abi.encode(key, parentKey, proposer));
    }

    function _finalize(uint64 id, bytes32 finalKey) private returns (bytes32 key) {
        StateRoot storage entry = _pending(id);
        _checkFinalizable(id, entry, finalKey);
        key = entry.key;
        uint64 batchEnd = _claims[key].batchEnd;
        entry.status = Status.Finalized;
        _finalKeyAt[batchEnd] = key;
        _latestBatchEnd = batchEnd;
        emit StateRootFinalized(id, _claims[key].root);
        _addCredit(entry.proposer, PROPOSER_BOND_WEI);
    }

    /// @dev Half of a lost bond is burned: who challenges himself to save his bond loses that half.
    function _slash(address winner) private {
        uint256 prize = PROPOSER_BOND_WEI / 2;
        _addCredit(winner, prize);
        _addCredit(address(0), PROPOSER_BOND_WEI - prize);
    }

    function _unlink(StateRoot storage entry, uint64 challengeId) private {
        Neighbours memory beside = _neighbours[challengeId];
        if (beside.previous == 0) entry.firstOpen = beside.next;
        else _neighbours[beside.previous].next = beside.next;
        if (beside.next == 0) entry.lastOpen = beside.previous;
        else _neighbours[beside.next].previous = beside.previous;
        --entry.openChallenges;
    }

    function _pending(uint64 id) private view returns (StateRoot storage entry) {
        entry = _stateRoots[id];
        Status status = entry.status;
        if (status == Status.None) revert StateRootUnknown(id);
        if (status != Status.Pending) revert StateRootDecided(id, status);
    }

    /// @dev At least one batch, so that every claim is about at least one instruction; at most so many that the steps
    /// of a game are few.
    function _nextBatchEnd(uint64 batchEnd, uint64 batchCount) private view returns (uint64 next) {
        return uint64(Math.min(Math.max(batchCount, batchEnd + 1), batchEnd + MAX_BATCHES));
    }
}
