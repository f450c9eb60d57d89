// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {ILedgerVM} from "../ledger/ILedgerVM.sol";
import {IOptimisticRollup} from "../optimistic/IOptimisticRollup.sol";
import {OptimisticRollup} from "../optimistic/OptimisticRollup.sol";
import {OptimisticAttacksTest} from "./OptimisticAttacks.t.sol";
import {OptimisticRollupTest} from "./OptimisticRollup.t.sol";
import {
    AnyProofRollup,
    CallersInputsRollup,
    CallersVerdictRollup,
    DeadlockRollup,
    ExcessRollup,
    ForgivingRollup,
    FreeRollup,
    LockedBondRollup,
    OneChallengeRollup,
    PrizeFromNothingRollup,
    PushingRollup,
    ScanningRollup,
    SharedSecondRollup,
    TaintedRollup,
    UniqueRootRollup,
    UnorderedRollup
} from "./WeakRollups.sol";

enum Defect {
    None,
    Free,
    Excess,
    PrizeFromNothing,
    AnyProof,
    CallersVerdict,
    OneChallenge,
    Deadlock,
    Tainted,
    UniqueRoot,
    Scanning,
    Unordered,
    SharedSecond,
    Pushing,
    CallersInputs,
    LockedBond,
    Forgiving
}

/// @dev The rollup with a defect of the article.
function weakRollup(
    Defect defect,
    ILedgerVM ledger,
    IDataAvailability inbox,
    IOptimisticRollup.Config memory config
) returns (OptimisticRollup) {
    if (defect == Defect.Free) return new FreeRollup(ledger, inbox, config);
    if (defect == Defect.Excess) return new ExcessRollup(ledger, inbox, config);
    if (defect == Defect.PrizeFromNothing) return new PrizeFromNothingRollup(ledger, inbox, config);
    if (defect == Defect.AnyProof) return new AnyProofRollup(ledger, inbox, config);
    if (defect == Defect.CallersVerdict) return new CallersVerdictRollup(ledger, inbox, config);
    if (defect == Defect.OneChallenge) return new OneChallengeRollup(ledger, inbox, config);
    if (defect == Defect.Deadlock) return new DeadlockRollup(ledger, inbox, config);
    if (defect == Defect.Tainted) return new TaintedRollup(ledger, inbox, config);
    if (defect == Defect.UniqueRoot) return new UniqueRootRollup(ledger, inbox, config);
    if (defect == Defect.Scanning) return new ScanningRollup(ledger, inbox, config);
    if (defect == Defect.Unordered) return new UnorderedRollup(ledger, inbox, config);
    if (defect == Defect.SharedSecond) return new SharedSecondRollup(ledger, inbox, config);
    if (defect == Defect.Pushing) return new PushingRollup(ledger, inbox, config);
    if (defect == Defect.CallersInputs) return new CallersInputsRollup(ledger, inbox, config);
    if (defect == Defect.LockedBond) return new LockedBondRollup(ledger, inbox, config);
    if (defect == Defect.Forgiving) return new ForgivingRollup(ledger, inbox, config);
    return new OptimisticRollup(ledger, inbox, config);
}

/// @dev Puts the article's defects back, one at a time, and runs the test that is there to notice it: without the
/// defect it passes, with it it does not.
contract WeakRulesTest is OptimisticRollupTest {
    Defect private defect;

    function test_freeLiesAreNoticed() public {
        _notices(Defect.Free, this.test_stakesAreExact);
    }

    function test_keptExcessIsNoticed() public {
        _notices(Defect.Excess, this.test_stakesAreExact);
    }

    function test_prizeFromNothingIsNoticed() public {
        _notices(Defect.PrizeFromNothing, this.test_challengerWinsByTheStep);
        _notices(Defect.PrizeFromNothing, this.test_defenderWinsByTheStep);
    }

    function test_anyProofIsNoticed() public {
        _notices(Defect.AnyProof, this.test_defenderWinsByTheStep);
    }

    function test_verdictOfTheCallerIsNoticed() public {
        _notices(Defect.CallersVerdict, this.test_defenderWinsByTheStep);
        _notices(Defect.CallersVerdict, this.test_stepIsReadFromInboxAndAgreedState);
    }

    function test_inputsOfTheCallerAreNoticed() public {
        _notices(Defect.CallersInputs, this.test_stepIsReadFromInboxAndAgreedState);
    }

    function test_deadlockAfterTheDeadlineIsNoticed() public {
        _notices(Defect.Deadlock, this.test_graceAfterTheLastGame);
    }

    function test_taintAfterAWonDefenceIsNoticed() public {
        _notices(Defect.Tainted, this.test_defenderWinsByTheStep);
    }

    function test_growingCostIsNoticed() public {
        _notices(Defect.Scanning, this.test_costDoesNotGrowWithEntries);
    }

    function test_finalizationWithoutOrderIsNoticed() public {
        _notices(Defect.Unordered, this.test_finalizationIsInOrderAndOfAnyLength);
    }

    function test_secondThatBelongsToBothIsNoticed() public {
        _notices(Defect.SharedSecond, this.test_challengeBeforeTheDeadlineFinalizeFromItOn);
    }

    function test_bondsLockedForEverAreNoticed() public {
        _notices(Defect.LockedBond, this.test_orphanAtAHeightThatTheFinalizedChainPassedOver);
    }

    function test_freeWrongSiblingsAreNoticed() public {
        _notices(Defect.Forgiving, this.test_orphanOfAnotherClaimIsSlashed);
    }

    function _create(
        ILedgerVM vm_,
        IDataAvailability inbox_,
        IOptimisticRollup.Config memory config
    ) internal override returns (OptimisticRollup) {
        return weakRollup(defect, vm_, inbox_, config);
    }

    function _notices(Defect defect_, function() external test) private {
        defect = Defect.None;
        setUp();
        test();
        defect = defect_;
        setUp();
        try test() {
            revert("the test did not notice");
        } catch {
            return;
        }
    }
}

/// @dev The same for what is noticed by somebody's attack.
contract WeakAgainstAttacksTest is OptimisticAttacksTest {
    Defect private defect;

    function test_oneChallengeARootIsNoticed() public {
        _notices(Defect.OneChallenge, this.test_sybilSelfChallengeClosesNothing);
        _notices(Defect.OneChallenge, this.test_sybilThatLosesOnPurposeProvesNothing);
    }

    function test_rootsThatAreUniqueAreNoticed() public {
        _notices(Defect.UniqueRoot, this.test_lazyCopycatProposerCannotBurnTheRightRoot);
    }

    function test_pushedPaymentsAreNoticed() public {
        _notices(Defect.Pushing, this.test_greedyReceivers);
    }

    function _create(
        ILedgerVM vm_,
        IDataAvailability inbox_,
        IOptimisticRollup.Config memory config
    ) internal override returns (OptimisticRollup) {
        return weakRollup(defect, vm_, inbox_, config);
    }

    function _notices(Defect defect_, function() external test) private {
        defect = Defect.None;
        setUp();
        test();
        defect = defect_;
        setUp();
        try test() {
            revert("the test did not notice");
        } catch {
            return;
        }
    }
}
