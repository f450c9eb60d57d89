// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CountingGame} from "./CountingGame.sol";
import {InteractiveFraudProofTest} from "./InteractiveFraudProof.t.sol";
import {
    AnyProofGame,
    CallersInputsGame,
    CallersVerdictGame,
    EndlessGame,
    FirstStateGame,
    FreshClockGame,
    LawlessGame,
    OffByOneGame,
    ValidityIsTruthGame
} from "./WeakGames.sol";

/// @dev Puts the article's defects back, one at a time, and runs the test that is there to notice it: without the
/// defect it passes, with it it does not.
contract WeakGamesTest is InteractiveFraudProofTest {
    enum Defect {
        None,
        AnyProof,
        CallersVerdict,
        ValidityIsTruth,
        FirstState,
        CallersInputs,
        OffByOne,
        Endless,
        FreshClock,
        Lawless
    }

    Defect private defect;

    function test_anyProofIsNoticed() public {
        _notices(Defect.AnyProof, this.test_stepIsForAnybody);
    }

    function test_verdictOfTheCallerIsNoticed() public {
        _notices(Defect.CallersVerdict, this.test_badWitnessProvesNothing);
        _notices(Defect.CallersVerdict, this.test_oneInstructionGoesStraightToTheStep);
    }

    function test_validityInPlaceOfTruthIsNoticed() public {
        _notices(Defect.ValidityIsTruth, this.test_honestSideWinsFromEveryFirstWrongStep);
    }

    function test_stepOnTheFirstStateIsNoticed() public {
        _notices(Defect.FirstState, this.test_honestSideWinsFromEveryFirstWrongStep);
    }

    function test_inputsOfTheCallerAreNoticed() public {
        _notices(Defect.CallersInputs, this.test_badWitnessProvesNothing);
    }

    function test_offByOneIsNoticed() public {
        _notices(Defect.OffByOne, this.test_honestSideWinsFromEveryFirstWrongStep);
    }

    function test_gameWithoutEndIsNoticed() public {
        _notices(Defect.Endless, this.test_defenderHasItsWholeClockAndNoSecondMore);
        _notices(Defect.Endless, this.test_challengerHasItsWholeClockAndNoSecondMore);
    }

    function test_clockThatIsRefilledIsNoticed() public {
        _notices(Defect.FreshClock, this.test_usedUpClock);
    }

    function test_missingTurnsAreNoticed() public {
        _notices(Defect.Lawless, this.test_turnsAndPlayers);
    }

    function _create(uint24 clockSeconds) internal override returns (CountingGame) {
        if (defect == Defect.AnyProof) return new AnyProofGame(clockSeconds);
        if (defect == Defect.CallersVerdict) return new CallersVerdictGame(clockSeconds);
        if (defect == Defect.ValidityIsTruth) return new ValidityIsTruthGame(clockSeconds);
        if (defect == Defect.FirstState) return new FirstStateGame(clockSeconds);
        if (defect == Defect.CallersInputs) return new CallersInputsGame(clockSeconds);
        if (defect == Defect.OffByOne) return new OffByOneGame(clockSeconds);
        if (defect == Defect.Endless) return new EndlessGame(clockSeconds);
        if (defect == Defect.FreshClock) return new FreshClockGame(clockSeconds);
        if (defect == Defect.Lawless) return new LawlessGame(clockSeconds);
        return new CountingGame(clockSeconds);
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
