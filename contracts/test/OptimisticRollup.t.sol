// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {ILedgerVM} from "../ledger/ILedgerVM.sol";
import {LedgerTypes, VMState} from "../ledger/LedgerTypes.sol";
import {IInteractiveFraudProof} from "../optimistic/IInteractiveFraudProof.sol";
import {IOptimisticRollup} from "../optimistic/IOptimisticRollup.sol";
import {OptimisticRollup} from "../optimistic/OptimisticRollup.sol";
import {CanonicalCall} from "../security/CanonicalCall.sol";
import {ICredits} from "../security/ICredits.sol";
import {OptimisticTest} from "./OptimisticTest.sol";
import {StubInbox} from "./StubInbox.sol";
import {rootOf} from "./StubLedger.sol";
import {vm} from "./Vm.sol";

/// @dev The rules of claims, stakes and finality.
contract OptimisticRollupTest is OptimisticTest {
    bytes32 private genesis;

    function setUp() public {
        _deploy();
        genesis = _trueKey(0);
        _batch(1);
        _batch(4);
        _batch(8);
        _batch(3);
    }

    function test_genesisIsFinal() public view {
        require(rollup.latestBatchEnd() == 0 && rollup.finalKeyAt(0) == genesis, "final");
        IOptimisticRollup.Claim memory claim = rollup.claims(genesis);
        require(claim.root == rootOf(1) && claim.batchEnd == 0 && claim.nextBatchEnd == 1, "claim");
        require(rollup.stateRootCount() == 0 && rollup.challengeCount() == 0, "empty");
        require(keccak256(abi.encode(rollup.config())) == keccak256(abi.encode(_config())), "config");
        require(address(rollup.VM()) == address(ledger) && address(rollup.INBOX()) == address(inbox), "parts");
    }

    function test_proposeStoresClaimAndEntry() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        require(id == 1 && rollup.stateRootCount() == 1, "id");
        IOptimisticRollup.StateRoot memory entry = rollup.stateRoots(id);
        require(entry.key == _trueKey(1) && entry.parentKey == genesis && entry.proposer == ALICE, "entry");
        require(entry.deadline == START + PERIOD && entry.openChallenges == 0, "deadline");
        _is(id, IOptimisticRollup.Status.Pending);
        // Four batches are there, but a claim covers at most three.
        IOptimisticRollup.Claim memory claim = rollup.claims(entry.key);
        require(claim.root == _trueRoot(1) && claim.batchEnd == 1 && claim.nextBatchEnd == 4, "claim");
        require(rollup.entryOf(entry.key, genesis, ALICE) == id, "entryOf");
        require(rollup.entryOf(entry.key, genesis, BOB) == 0, "of nobody else");
    }

    /// @dev OR-2, OR-3: whoever builds on a claim is about the batches that were fixed when it was first made.
    function test_batchesOfAClaimAreNotTheProposersChoice() public {
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        bytes32 key = rollup.stateRoots(one).key;
        _batch(2);
        _batch(2);
        // A second stake on the same content does not move its end.
        _propose(BOB, _trueRoot(1), genesis);
        require(rollup.claims(key).nextBatchEnd == 4, "fixed");
        uint64 two = _propose(ALICE, _trueRoot(4), key);
        require(rollup.claims(rollup.stateRoots(two).key).batchEnd == 4, "as fixed");
        uint64 game = _challenge(BOB, two);
        require(rollup.challenges(game).hi == 4 + 8 + 3, "counted by the inbox");
        require(rollup.challenges(game).loState == _trueRoot(1), "agreed: the parent");
        require(rollup.challenges(game).hiState == _trueRoot(4), "disputed: the claim");
        // Three batches more than its own, although only two are there.
        require(rollup.claims(rollup.stateRoots(two).key).nextBatchEnd == 6, "all that are there");
        bytes32 last = rollup.stateRoots(_propose(ALICE, _trueRoot(6), rollup.stateRoots(two).key)).key;
        require(rollup.claims(last).nextBatchEnd == 7, "at least one");
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.BatchesMissing.selector, 7, 6));
        this.propose(ALICE, "root", last, BOND);
    }

    function test_stakesAreExact() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        uint256[3] memory wrong = [uint256(0), BOND - 1, BOND + 1];
        for (uint256 i = 0; i < 3; i++) {
            vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.StakeMismatch.selector, wrong[i], BOND));
            this.propose(BOB, "root", genesis, wrong[i]);
        }
        wrong = [uint256(0), DEPOSIT - 1, DEPOSIT + 1];
        for (uint256 i = 0; i < 3; i++) {
            vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.StakeMismatch.selector, wrong[i], DEPOSIT));
            this.challenge(BOB, id, wrong[i]);
        }
    }

    function test_refusesClaimsAboutNothing() public {
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.RootZero.selector));
        this.propose(ALICE, 0, genesis, BOND);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.ClaimUnknown.selector, bytes32("parent")));
        this.propose(ALICE, "root", "parent", BOND);
        // The parent's own root is another key at another height.
        uint64 id = _propose(ALICE, rootOf(1), genesis);
        require(rollup.stateRoots(id).key != genesis, "a root may return");
    }

    function test_oneEntryForAProposerParentAndClaim() public {
        bytes32 root = _trueRoot(1);
        uint64 id = _propose(ALICE, root, genesis);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.AlreadyProposed.selector, id));
        this.propose(ALICE, root, genesis, BOND);
        _propose(BOB, _trueRoot(1), genesis);
        _propose(ALICE, _falseRoot(1), genesis);
        uint64 game = _challenge(BOB, id);
        vm.warp(START + CLOCK + 1);
        rollup.claimTimeout(game);
        // With one instruction it was the challenger's turn: the entry stands, and stands for one stake.
        _is(id, IOptimisticRollup.Status.Pending);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.AlreadyProposed.selector, id));
        this.propose(ALICE, root, genesis, BOND);
    }

    function test_unknownEntries() public {
        bytes memory unknown = abi.encodeWithSelector(IOptimisticRollup.StateRootUnknown.selector, 1);
        vm.expectRevert(unknown);
        this.challenge(BOB, 1, DEPOSIT);
        vm.expectRevert(unknown);
        this.finalize(1);
        vm.expectRevert(unknown);
        rollup.claimOrphan(1);
        vm.expectRevert(unknown);
        rollup.stateRoots(1);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.ChallengeUnknown.selector, 1));
        rollup.refundChallenge(1);
    }

    function test_challengeBeforeTheDeadlineFinalizeFromItOn() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        uint64 deadline = START + PERIOD;
        vm.warp(deadline - 1);
        uint64 game = _challenge(BOB, id);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.ChallengesOpen.selector, id, 1));
        this.finalize(id);
        _resolve(game);
        uint64 other = _propose(CAROL, _trueRoot(1), genesis); // not challenged
        uint64 otherDeadline = deadline - 1 + PERIOD;

        for (uint256 i = 0; i < 2; i++) {
            vm.warp(deadline + i);
            vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.ChallengePeriodOver.selector, id, deadline));
            this.challenge(BOB, id, DEPOSIT);
        }
        vm.warp(otherDeadline - 1);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.TooEarly.selector, other, otherDeadline));
        this.finalize(other);
        vm.warp(otherDeadline);
        this.finalize(other);
        _is(other, IOptimisticRollup.Status.Finalized);
    }

    function test_finalizeASecondAfterTheDeadline() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        vm.warp(START + PERIOD + 1);
        this.finalize(id);
        require(rollup.latestBatchEnd() == 1 && rollup.finalKeyAt(1) == _trueKey(1), "final");
        _owed(ALICE, BOND);
    }

    function test_graceAfterTheLastGame() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        vm.warp(START + PERIOD - 1);
        uint64 game = _challenge(BOB, id);
        uint64 end = START + PERIOD - 1 + CLOCK;
        vm.warp(end);
        _resolve(game);
        require(rollup.stateRoots(id).lastResolvedAt == end, "noted");
        vm.warp(end + GRACE - 1);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.TooEarly.selector, id, end + GRACE));
        this.finalize(id);
        vm.warp(end + GRACE);
        this.finalize(id);
    }

    function test_graceDoesNotShortenTheDeadline() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        _resolve(_challenge(BOB, id));
        vm.warp(START + GRACE);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.TooEarly.selector, id, START + PERIOD));
        this.finalize(id);
    }

    function test_finalizationIsInOrderAndOfAnyLength() public {
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        uint64 two = _propose(BOB, _trueRoot(4), rollup.stateRoots(one).key);
        vm.warp(START + PERIOD);
        vm.expectRevert(
            abi.encodeWithSelector(IOptimisticRollup.ParentNotFinal.selector, two, _trueKey(1), genesis)
        );
        this.finalize(two);
        uint64[] memory ids = new uint64[](2);
        (ids[0], ids[1]) = (two, one);
        vm.expectRevert(
            abi.encodeWithSelector(IOptimisticRollup.ParentNotFinal.selector, two, _trueKey(1), genesis)
        );
        rollup.finalizeStateRoots(ids);
        (ids[0], ids[1]) = (one, two);
        rollup.finalizeStateRoots(ids);
        require(rollup.latestBatchEnd() == 4 && rollup.finalKeyAt(4) == _trueKey(4), "both");
        require(rollup.finalKeyAt(2) == 0 && rollup.finalKeyAt(3) == 0, "no claim ends there");
        _owed(ALICE, BOND);
        _owed(BOB, BOND);
        rollup.finalizeStateRoots(new uint64[](0));
    }

    function test_decidedEntriesAreClosedToEverything() public {
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        vm.warp(START + PERIOD);
        this.finalize(one);
        bytes memory decided = abi.encodeWithSelector(
            IOptimisticRollup.StateRootDecided.selector,
            one,
            IOptimisticRollup.Status.Finalized
        );
        vm.expectRevert(decided);
        this.finalize(one);
        vm.expectRevert(decided);
        rollup.claimOrphan(one);
        vm.expectRevert(decided);
        this.challenge(BOB, one, DEPOSIT);
    }

    function test_nothingToClaimBelowTheFinalHeight() public {
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        vm.warp(START + PERIOD);
        this.finalize(one);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.AlreadyFinal.selector, 1, 1));
        this.propose(BOB, _falseRoot(1), genesis, BOND);
    }

    function test_proposersDoNotChallengeThemselves() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.OwnStateRoot.selector, id));
        this.challenge(ALICE, id, DEPOSIT);
    }

    /// @dev OR-7: winner gets its deposit and half of the bond, the other half is burned, the root is rejected.
    function test_challengerWinsByTheStep() public {
        uint64 id = _propose(MALLORY, _falseRoot(1), genesis);
        uint64 game = _challenge(ALICE, id);
        _resolve(game);
        _is(id, IOptimisticRollup.Status.Rejected);
        _owed(ALICE, DEPOSIT + BOND / 2);
        _owed(address(0), BOND - BOND / 2);
        _owed(MALLORY, 0);
        vm.warp(START + PERIOD);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOptimisticRollup.StateRootDecided.selector,
                id,
                IOptimisticRollup.Status.Rejected
            )
        );
        this.finalize(id);
        _pay(ALICE, DEPOSIT + BOND / 2);
    }

    function test_defenderWinsByTheStep() public {
        uint64 id = _propose(ALICE, _trueRoot(1), genesis);
        uint64 game = _challenge(MALLORY, id);
        _resolve(game);
        _is(id, IOptimisticRollup.Status.Pending);
        _owed(ALICE, DEPOSIT);
        _owed(MALLORY, 0);
        require(rollup.stateRoots(id).openChallenges == 0, "closed");
        vm.warp(START + PERIOD);
        this.finalize(id);
        _owed(ALICE, DEPOSIT + BOND);
        _pay(ALICE, DEPOSIT + BOND);
    }

    function test_timeoutsOnBothSides() public {
        bytes32 key = rollup.stateRoots(_propose(ALICE, _trueRoot(1), genesis)).key;
        uint64 id = _propose(ALICE, _trueRoot(4), key);
        uint64 stalling = _challenge(MALLORY, id);
        vm.prank(ALICE);
        rollup.bisect(stalling, "something");
        vm.warp(START + CLOCK + 1);
        rollup.claimTimeout(stalling);
        _owed(ALICE, DEPOSIT);
        _is(id, IOptimisticRollup.Status.Pending);

        uint64 wrong = _propose(MALLORY, _falseRoot(1), key);
        uint64 game = _challenge(BOB, wrong);
        vm.warp(START + 2 * CLOCK + 2);
        rollup.claimTimeout(game);
        _owed(BOB, DEPOSIT + BOND / 2);
        _is(wrong, IOptimisticRollup.Status.Rejected);
    }

    function test_stepIsReadFromInboxAndAgreedState() public {
        bytes32 key = rollup.stateRoots(_propose(ALICE, _trueRoot(1), genesis)).key;
        uint64 id = _propose(MALLORY, _falseRoot(1), key);
        uint64 game = _challenge(ALICE, id);
        _playUntilStep(game);
        (bytes memory inputs, bytes memory preState) = _witness(game);
        uint64 step = abi.decode(inputs, (uint64));
        require(step == 1 + 4 + 8 + 3 - 1, "the last one");
        vm.expectRevert(abi.encodeWithSelector(StubInbox.OtherStep.selector, step - 1, step));
        rollup.resolveChallenge(game, abi.encode(step - 1), preState);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOptimisticRollup.PreStateMismatch.selector,
                rootOf(states[step] + 1),
                rootOf(states[step])
            )
        );
        rollup.resolveChallenge(game, inputs, abi.encode(states[step] + 1));
        vm.prank(ANYBODY);
        rollup.resolveChallenge(game, inputs, preState);
        _is(id, IOptimisticRollup.Status.Rejected);
    }

    /// @dev OR-7: the other games' deposits go back, and nothing else can happen in them.
    function test_otherGamesOfARejectedRootAreRefunded() public {
        uint64 id = _propose(MALLORY, _falseRoot(1), genesis);
        uint64 first = _challenge(ALICE, id);
        uint64 second = _challenge(BOB, id);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.StateRootPending.selector, id));
        rollup.refundChallenge(second);
        _resolve(first);

        bytes memory decided = abi.encodeWithSelector(
            IOptimisticRollup.StateRootDecided.selector,
            id,
            IOptimisticRollup.Status.Rejected
        );
        (bytes memory inputs, bytes memory preState) = _witness(second);
        vm.expectRevert(decided);
        rollup.resolveChallenge(second, inputs, preState);
        vm.warp(START + CLOCK + 1);
        vm.expectRevert(decided);
        rollup.claimTimeout(second);
        rollup.refundChallenge(second);
        _owed(BOB, DEPOSIT);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.ChallengeOver.selector, second));
        rollup.refundChallenge(second);
        vm.expectRevert(abi.encodeWithSelector(IInteractiveFraudProof.ChallengeOver.selector, first));
        rollup.refundChallenge(first);
        _pay(BOB, DEPOSIT);
    }

    /// @dev OR-8 (a)
    function test_orphanOfTheSameClaimIsRefunded() public {
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        uint64 copy = _propose(BOB, _trueRoot(1), genesis);
        uint64 game = _challenge(MALLORY, copy);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.NotDecidedByChain.selector, copy));
        rollup.claimOrphan(copy);
        vm.warp(START + PERIOD);
        this.finalize(one);
        rollup.claimOrphan(copy);
        _is(copy, IOptimisticRollup.Status.Refunded);
        _owed(BOB, BOND);
        rollup.refundChallenge(game);
        _owed(MALLORY, DEPOSIT);
    }

    /// @dev OR-8 (b), nobody having challenged: all is burned.
    function test_orphanOfAnotherClaimIsSlashed() public {
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        uint64 wrong = _propose(MALLORY, _falseRoot(1), genesis);
        vm.warp(START + PERIOD);
        this.finalize(one);
        rollup.claimOrphan(wrong);
        _is(wrong, IOptimisticRollup.Status.Slashed);
        _owed(address(0), BOND);
        _owed(MALLORY, 0);
    }

    /// @dev OR-8 (b): half to the earliest challenger whose game is open, whichever have ended.
    function test_orphansPrizeIsTheEarliestOpenChallengers() public {
        for (uint256 lost = 0; lost < 16; lost++) {
            for (uint256 order = 0; order < 3; order++) _orphanWithFourGames(lost, order);
        }
    }

    /// @dev OR-8 (c)
    function test_orphanOfALostParentIsRefunded() public {
        uint64 wrong = _propose(MALLORY, _falseRoot(1), genesis);
        uint64 child = _propose(BOB, _falseRoot(2), rollup.stateRoots(wrong).key);
        uint64 grandchild = _propose(CAROL, _falseRoot(3), _grow(child));
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        vm.warp(block.timestamp + PERIOD);
        this.finalize(one);
        rollup.claimOrphan(child);
        _is(child, IOptimisticRollup.Status.Refunded);
        _owed(BOB, BOND);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.NotDecidedByChain.selector, grandchild));
        rollup.claimOrphan(grandchild);
    }

    /// @dev The finalized chain has claims at other heights than the lost branch: where it passed over a height without
    /// stopping, the lost branch is decided all the same.
    function test_orphanAtAHeightThatTheFinalizedChainPassedOver() public {
        uint64 wrong = _propose(MALLORY, _falseRoot(1), genesis); // ends at 1, its children at 4
        uint64 child = _propose(BOB, _falseRoot(2), rollup.stateRoots(wrong).key); // ends at 4, its children at 5
        _batch(2);
        _batch(2);
        uint64 grandchild = _propose(CAROL, _falseRoot(3), rollup.stateRoots(child).key); // ends at 5
        uint64 lost = _propose(BOB, _falseRoot(4), rollup.stateRoots(grandchild).key);
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        uint64 two = _propose(ALICE, _trueRoot(4), _trueKey(1));
        uint64 three = _propose(ALICE, _trueRoot(6), _trueKey(4)); // over 5
        vm.warp(START + PERIOD);
        uint64[] memory ids = new uint64[](3);
        (ids[0], ids[1], ids[2]) = (one, two, three);
        rollup.finalizeStateRoots(ids);
        require(rollup.finalKeyAt(5) == 0 && rollup.latestBatchEnd() == 6, "passed over");
        rollup.claimOrphan(lost);
        _is(lost, IOptimisticRollup.Status.Refunded);
        rollup.claimOrphan(grandchild);
        _is(grandchild, IOptimisticRollup.Status.Refunded);
    }

    /// @dev Two parents may lead to the same content: the entry on the false one made a claim that does not matter.
    function test_sameClaimOnAFalseParent() public {
        uint64 wrong = _propose(MALLORY, _falseRoot(1), genesis);
        uint64 odd = _propose(BOB, _trueRoot(4), rollup.stateRoots(wrong).key);
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        uint64 two = _propose(ALICE, _trueRoot(4), _trueKey(1));
        require(rollup.stateRoots(odd).key == rollup.stateRoots(two).key, "one content");
        vm.warp(START + PERIOD);
        this.finalize(one);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOptimisticRollup.ParentNotFinal.selector,
                odd,
                rollup.stateRoots(wrong).key,
                _trueKey(1)
            )
        );
        this.finalize(odd);
        this.finalize(two);
        rollup.claimOrphan(odd);
        _is(odd, IOptimisticRollup.Status.Refunded);
    }

    function test_exitRootOfAFinalState() public {
        VMState memory state = VMState("accounts", "exits", 3, 2, 1);
        bytes32 root = LedgerTypes.stateRoot(state);
        uint64 id = _propose(ALICE, root, genesis);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.StateNotFinal.selector, 1, root));
        rollup.showExitRoot(1, state);
        vm.warp(START + PERIOD);
        this.finalize(id);
        require(rollup.exitRoot(1) == 0, "not shown");
        rollup.showExitRoot(1, state);
        require(rollup.exitRoot(1) == "exits", "shown");
        state.exitCount = 4;
        root = LedgerTypes.stateRoot(state);
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.StateNotFinal.selector, 1, root));
        rollup.showExitRoot(1, state);
    }

    /// @dev test/fraud/canonical-call.test.ts has the boundaries.
    function test_callsThatAreMeantForOneHistory() public {
        vm.roll(1000);
        bytes memory proposal = abi.encodeCall(rollup.proposeStateRoot, (_trueRoot(1), genesis));
        bytes32 seen = blockhash(999);
        require(seen != 0, "the machine knows it");
        vm.deal(ALICE, 2 * BOND);
        vm.expectRevert(abi.encodeWithSelector(CanonicalCall.NotCanonical.selector, 999, bytes32("other"), seen));
        vm.prank(ALICE);
        rollup.callIfCanonical{value: BOND}(999, "other", proposal);
        vm.expectRevert(abi.encodeWithSelector(CanonicalCall.NotCanonical.selector, 1000, 0, 0));
        vm.prank(ALICE);
        rollup.callIfCanonical{value: BOND}(1000, 0, proposal);
        vm.prank(ALICE);
        uint64 id = abi.decode(rollup.callIfCanonical{value: BOND}(999, seen, proposal), (uint64));
        require(rollup.stateRoots(id).proposer == ALICE && address(rollup).balance == BOND, "as its sender");
        // One stake for one call, however it is wrapped.
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.AlreadyProposed.selector, id));
        vm.prank(ALICE);
        rollup.callIfCanonical{value: BOND}(
            999,
            seen,
            abi.encodeCall(rollup.callIfCanonical, (999, seen, proposal))
        );
    }

    function test_nothingToFetch() public {
        vm.expectRevert(abi.encodeWithSelector(ICredits.NoCredit.selector, ALICE));
        vm.prank(ALICE);
        rollup.withdrawCredit();
    }

    /// @dev No scan anywhere: after two hundred entries and games everything costs what it cost after one.
    function test_costDoesNotGrowWithEntries() public {
        uint256[2] memory before = _costs(1);
        for (uint256 i = 2; i < 200; i++) _costs(i);
        uint256[2] memory afterwards = _costs(200);
        require(afterwards[0] <= before[0] && afterwards[1] <= before[1], "costs grow");
    }

    function test_deploymentsThatCannotWork() public {
        vm.expectRevert(abi.encodeWithSelector(IOptimisticRollup.ForeignLedger.selector, address(rollup)));
        new OptimisticRollup(ILedgerVM(address(ledger)), IDataAvailability(address(inbox)), _config());
        IOptimisticRollup.Config memory config = _config();
        config.proposerBondWei = 1;
        _refuseConfig(config, "proposerBondWei", 1, 2, 1_000 ether);
        config.proposerBondWei = 1_000 ether + 1;
        _refuseConfig(config, "proposerBondWei", 1_000 ether + 1, 2, 1_000 ether);
        config = _config();
        config.challengeDepositWei = 0;
        _refuseConfig(config, "challengeDepositWei", 0, 1, 1_000 ether);
        config.challengeDepositWei = 1_000 ether + 1;
        _refuseConfig(config, "challengeDepositWei", 1_000 ether + 1, 1, 1_000 ether);
        config = _config();
        config.challengePeriodSeconds = 0;
        _refuseConfig(config, "challengePeriodSeconds", 0, 1, 30 days);
        config.challengePeriodSeconds = 30 days + 1;
        _refuseConfig(config, "challengePeriodSeconds", 30 days + 1, 1, 30 days);
        config = _config();
        config.clockSeconds = 0;
        _refuseConfig(config, "clockSeconds", 0, 1, 30 days);
        config.clockSeconds = 30 days + 1;
        _refuseConfig(config, "clockSeconds", 30 days + 1, 1, 30 days);
        config = _config();
        config.graceSeconds = 30 days + 1;
        _refuseConfig(config, "graceSeconds", 30 days + 1, 0, 30 days);
        config = _config();
        config.maxBatches = 0;
        _refuseConfig(config, "maxBatches", 0, 1, 65_536);
        config.maxBatches = 65_537;
        _refuseConfig(config, "maxBatches", 65_537, 1, 65_536);
    }

    /// @dev Four games about one instruction, so that whoever times out is the challenger; `lost` says which do, and
    /// `order` in which order they end.
    function _orphanWithFourGames(uint256 lost, uint256 order) private {
        address[4] memory players = [address(0x101), address(0x102), address(0x103), address(0x104)];
        setUp();
        uint64 one = _propose(ALICE, _trueRoot(1), genesis);
        uint64 wrong = _propose(MALLORY, _falseRoot(1), genesis);
        uint64[4] memory games;
        uint32 open = 4;
        for (uint256 i = 0; i < 4; i++) games[i] = _challenge(players[i], wrong);
        vm.warp(START + CLOCK + 1);
        for (uint256 k = 0; k < 4; k++) {
            uint256 i = order == 0 ? k : order == 1 ? 3 - k : (k + 2) % 4;
            if ((lost >> i) & 1 == 0) continue;
            rollup.claimTimeout(games[i]);
            open--;
        }
        require(rollup.stateRoots(wrong).openChallenges == open, "count");
        vm.warp(START + PERIOD);
        this.finalize(one);
        rollup.claimOrphan(wrong);
        bool found = false;
        for (uint256 i = 0; i < 4; i++) {
            if ((lost >> i) & 1 == 1) {
                _owed(players[i], 0);
                continue;
            }
            rollup.refundChallenge(games[i]);
            _owed(players[i], DEPOSIT + (found ? 0 : BOND / 2));
            found = true;
        }
        _owed(address(0), found ? BOND - BOND / 2 : BOND);
    }

    /// @dev External, so that a refusal can be expected after the money was given.
    function propose(address proposer, bytes32 root, bytes32 parentKey, uint256 value) external {
        vm.deal(proposer, value);
        vm.prank(proposer);
        rollup.proposeStateRoot{value: value}(root, parentKey);
    }

    function challenge(address challenger, uint64 id, uint256 value) external {
        vm.deal(challenger, value);
        vm.prank(challenger);
        rollup.challengeStateRoot{value: value}(id);
    }

    function finalize(uint64 id) external {
        _finalize(id);
    }

    /// @dev Gas of a proposal, and of a challenge to it.
    function _costs(uint256 i) private returns (uint256[2] memory gas) {
        address proposer = address(uint160(0x7000 + i));
        vm.deal(proposer, BOND);
        vm.deal(BOB, DEPOSIT);
        bytes32 root = _falseRoot(i);
        vm.prank(proposer);
        uint256 start = gasleft();
        uint64 id = rollup.proposeStateRoot{value: BOND}(root, genesis);
        gas[0] = start - gasleft();
        vm.prank(BOB);
        start = gasleft();
        rollup.challengeStateRoot{value: DEPOSIT}(id);
        gas[1] = start - gasleft();
    }

    /// @dev Makes the batch that children of an entry wait for, and gives the entry's claim.
    function _grow(uint64 id) private returns (bytes32 key) {
        key = rollup.stateRoots(id).key;
        while (inbox.batchCount() < rollup.claims(key).nextBatchEnd) _batch(2);
    }

    function _pay(address account, uint256 amount) private {
        uint256 before = account.balance;
        vm.prank(account);
        rollup.withdrawCredit();
        require(account.balance == before + amount, "paid");
    }

    function _refuseConfig(
        IOptimisticRollup.Config memory config,
        string memory field,
        uint256 got,
        uint256 minimum,
        uint256 maximum
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(IOptimisticRollup.ConfigOutOfRange.selector, field, got, minimum, maximum)
        );
        new OptimisticRollup(ILedgerVM(address(ledger)), IDataAvailability(address(inbox)), config);
    }
}
