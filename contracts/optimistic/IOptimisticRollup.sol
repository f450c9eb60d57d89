// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VMState} from "../ledger/LedgerTypes.sol";
import {ICredits} from "../security/ICredits.sol";
import {IInteractiveFraudProof} from "./IInteractiveFraudProof.sol";

/// @title Rollup whose roots anybody may propose and anybody may dispute
/// @author Proofmill
/// @notice Whoever stakes a bond says which state the inbox's batches lead to. A claim that nobody disproves in time
/// is final; one honest watcher is enough to keep false ones out. docs/contracts.md has states, trust and constants.
interface IOptimisticRollup is IInteractiveFraudProof, ICredits {
    /// @notice What becomes of a proposer's stake.
    /// @dev None: no such entry. Pending: staked. Finalized: made its claim final. Rejected: lost a game. Slashed: the
    /// finalized chain shows it wrong. Refunded: it does not matter any more, since another entry made the same claim
    /// final, or the claim that it builds on was wrong.
    enum Status {
        None,
        Pending,
        Finalized,
        Rejected,
        Slashed,
        Refunded
    }

    /// @notice What a deployment fixes for ever.
    /// @param proposerBondWei Staked on each entry. Half of it must pay for the gas of a whole game at a high base fee:
    /// it is what the winner gets.
    /// @param challengeDepositWei Staked on each game. It must pay for the defender's gas in a whole game.
    /// @param challengePeriodSeconds How long an entry can be challenged.
    /// @param clockSeconds Time of each party in each game, for all its moves together.
    /// @param graceSeconds Time from the end of an entry's last game to the earliest finalization.
    /// @param maxBatches Most batches that one claim covers.
    struct Config {
        uint256 proposerBondWei;
        uint256 challengeDepositWei;
        uint32 challengePeriodSeconds;
        uint24 clockSeconds;
        uint32 graceSeconds;
        uint32 maxBatches;
    }

    /// @notice What is claimed, whoever claims it.
    /// @param root State root after the batches up to `batchEnd`.
    /// @param batchEnd Number of the last of them.
    /// @param nextBatchEnd The same of every claim that builds on this one.
    struct Claim {
        bytes32 root;
        uint64 batchEnd;
        uint64 nextBatchEnd;
    }

    /// @notice One proposer's stake on one claim.
    /// @param key The claim.
    /// @param parentKey The claim that it builds on.
    /// @param proposer Who staked.
    /// @param deadline L1 time from which it cannot be challenged, Unix seconds.
    /// @param status What became of it.
    /// @param openChallenges Games that are not over.
    /// @param lastResolvedAt L1 time at which the last game ended, 0 if none did.
    /// @param firstOpen The earliest game that is not over, 0 if there is none.
    /// @param lastOpen The latest such game.
    struct StateRoot {
        bytes32 key;
        bytes32 parentKey;
        address proposer;
        uint64 deadline;
        Status status;
        uint32 openChallenges;
        uint64 lastResolvedAt;
        uint64 firstOpen;
        uint64 lastOpen;
    }

    /// @notice Somebody staked on a claim.
    /// @param id Number of the entry.
    /// @param parentKey The claim that it builds on.
    /// @param root The claimed state root.
    /// @param batchEnd Number of the last batch.
    /// @param proposer Who staked.
    event StateRootProposed(
        uint64 indexed id,
        bytes32 indexed parentKey,
        bytes32 root,
        uint64 batchEnd,
        address indexed proposer
    );

    /// @notice A claim is final.
    /// @param id The entry whose stake made it so.
    /// @param root The state root.
    event StateRootFinalized(uint64 indexed id, bytes32 root);

    /// @notice An entry lost a game.
    /// @param id The entry.
    event StateRootRejected(uint64 indexed id);

    /// @notice The finalized chain decided about an entry.
    /// @param id The entry.
    /// @param status Slashed or Refunded.
    event StateRootOrphaned(uint64 indexed id, Status status);

    /// @notice A game ended without a result, since its entry was decided elsewhere; the deposit went back.
    /// @param challengeId The game.
    event ChallengeRefunded(uint64 indexed challengeId);

    /// @notice The exit root of a finalized state was shown.
    /// @param batchEnd Number of the last batch before that state.
    /// @param exitRoot Root of the tree of outgoing messages.
    event ExitRootShown(uint64 indexed batchEnd, bytes32 exitRoot);

    /// @notice A value of the configuration cannot work.
    /// @param field Its name.
    /// @param got What was given.
    /// @param minimum The smallest allowed.
    /// @param maximum The largest allowed.
    error ConfigOutOfRange(string field, uint256 got, uint256 minimum, uint256 maximum);

    /// @notice The ledger belongs to another rollup: no signature and no exit would be worth anything here.
    /// @param rollup The rollup that it belongs to.
    error ForeignLedger(address rollup);

    /// @notice The payment is not exactly the stake.
    /// @param got What came, in wei.
    /// @param expected The stake, in wei.
    error StakeMismatch(uint256 got, uint256 expected);

    /// @notice Zero is no state root.
    error RootZero();

    /// @notice Nobody has claimed this.
    /// @param key The claim.
    error ClaimUnknown(bytes32 key);

    /// @notice The batches that the claim would be about are not all there.
    /// @param batchEnd The last batch of the claim.
    /// @param batchCount The last batch of the inbox.
    error BatchesMissing(uint64 batchEnd, uint64 batchCount);

    /// @notice The finalized chain has passed this height: there is nothing left to claim.
    /// @param batchEnd The last batch of the claim.
    /// @param finalBatchEnd The last batch of the finalized chain.
    error AlreadyFinal(uint64 batchEnd, uint64 finalBatchEnd);

    /// @notice The caller has staked on this claim and parent before, perhaps in vain.
    /// @param id The entry.
    error AlreadyProposed(uint64 id);

    /// @notice No entry has this number.
    /// @param id The number.
    error StateRootUnknown(uint64 id);

    /// @notice The entry is decided.
    /// @param id The entry.
    /// @param status What became of it.
    error StateRootDecided(uint64 id, Status status);

    /// @notice The entry is not decided: the game's deposit is at stake.
    /// @param id The entry.
    error StateRootPending(uint64 id);

    /// @notice The time to challenge is over.
    /// @param id The entry.
    /// @param deadline First second at which it was over.
    error ChallengePeriodOver(uint64 id, uint64 deadline);

    /// @notice A proposer does not dispute its own claim.
    /// @param id The entry.
    error OwnStateRoot(uint64 id);

    /// @notice The claim does not build on the last finalized one.
    /// @param id The entry.
    /// @param parentKey What it builds on.
    /// @param finalKey The last finalized claim.
    error ParentNotFinal(uint64 id, bytes32 parentKey, bytes32 finalKey);

    /// @notice Not yet.
    /// @param id The entry.
    /// @param finalizableAt The earliest time, Unix seconds.
    error TooEarly(uint64 id, uint256 finalizableAt);

    /// @notice Games about the entry are not over.
    /// @param id The entry.
    /// @param count How many.
    error ChallengesOpen(uint64 id, uint32 count);

    /// @notice The finalized chain says nothing about the entry yet.
    /// @param id The entry.
    error NotDecidedByChain(uint64 id);

    /// @notice The witness is about another state than the one that both parties agree on.
    /// @param got Root of the state that was shown.
    /// @param expected Root of the agreed state.
    error PreStateMismatch(bytes32 got, bytes32 expected);

    /// @notice No finalized claim ends here, or it has another root.
    /// @param batchEnd The last batch.
    /// @param root Root of the state that was shown.
    error StateNotFinal(uint64 batchEnd, bytes32 root);

    /// @notice Stake on what the next batches lead to. Which batches is not the proposer's choice: all that build on
    /// one claim are about the same ones, so that two different roots cannot both be right.
    /// @dev A root is not unique, an entry is: would one entry stand for a root for all times, somebody could claim the
    /// right root, lose on purpose against himself, and leave no right root to claim.
    /// @param stateRoot State root after them.
    /// @param parentKey The claim that it builds on: `keyOf` of a claim that exists, final or not.
    /// @return id Number of the entry, from 1.
    function proposeStateRoot(bytes32 stateRoot, bytes32 parentKey) external payable returns (uint64 id);

    /// @notice Dispute an entry. Any number of games about one entry run side by side, each between its challenger and
    /// the proposer alone: no game, won or lost, can keep another one from reaching its end.
    /// @param id The entry.
    /// @return challengeId Number of the game, from 1.
    function challengeStateRoot(uint64 id) external payable returns (uint64 challengeId);

    /// @notice Make entries final, in this order. For anybody.
    /// @param ids Entries, each building on the one before it, the first on the last finalized claim.
    function finalizeStateRoots(uint64[] calldata ids) external;

    /// @notice Settle an entry whose fate the finalized chain has decided. For anybody.
    /// @param id The entry.
    function claimOrphan(uint64 id) external;

    /// @notice Close a game whose entry is decided; its deposit goes back. For anybody.
    /// @param challengeId The game.
    function refundChallenge(uint64 challengeId) external;

    /// @notice Show the exit root of a finalized state, so that bridges can read it. For anybody.
    /// @param batchEnd The last batch before that state.
    /// @param state The state.
    function showExitRoot(uint64 batchEnd, VMState calldata state) external;

    /// @notice Exit root of a finalized state.
    /// @param batchEnd The last batch before that state.
    /// @return root Root of the tree of outgoing messages; 0 as long as nobody has shown it.
    function exitRoot(uint256 batchEnd) external view returns (bytes32 root);

    /// @notice An entry.
    /// @param id Its number.
    /// @return entry As it stands.
    function stateRoots(uint64 id) external view returns (StateRoot memory entry);

    /// @notice How many entries there are; they are numbered from 1.
    /// @return count The number of the last.
    function stateRootCount() external view returns (uint64 count);

    /// @notice A claim.
    /// @param key Its key.
    /// @return content What it says; a root of 0 if nobody made it.
    function claims(bytes32 key) external view returns (Claim memory content);

    /// @notice The entry of a proposer.
    /// @param key The claim.
    /// @param parentKey The claim that it builds on.
    /// @param proposer Who staked.
    /// @return id The entry, 0 if there is none.
    function entryOf(bytes32 key, bytes32 parentKey, address proposer) external view returns (uint64 id);

    /// @notice The finalized chain.
    /// @param batchEnd A batch.
    /// @return key The finalized claim that ends with it, 0 if there is none.
    function finalKeyAt(uint64 batchEnd) external view returns (bytes32 key);

    /// @notice Where the finalized chain ends.
    /// @return batchEnd Its last batch; 0 at the genesis.
    function latestBatchEnd() external view returns (uint64 batchEnd);

    /// @notice What the deployment fixed.
    /// @return values The configuration.
    function config() external view returns (Config memory values);

    /// @notice Name of a claim.
    /// @param batchEnd Its last batch.
    /// @param root Its state root.
    /// @return key Hash of both.
    function keyOf(uint64 batchEnd, bytes32 root) external pure returns (bytes32 key);
}
