// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {ILedgerVM} from "../ledger/ILedgerVM.sol";
import {OptimisticRollup} from "../optimistic/OptimisticRollup.sol";

/// @dev Rollups with one of the article's defects each. Everything else is the real contract.

/// @dev Lying is free.
contract FreeRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _takeStake(uint256) internal pure override {}
}

/// @dev Keeps what comes beyond the stake.
contract ExcessRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _takeStake(uint256 stakeWei) internal view override {
        if (msg.value < stakeWei) revert StakeMismatch(msg.value, stakeWei);
    }
}

/// @dev Pays twice the deposit to whoever wins, out of whatever is there.
contract PrizeFromNothingRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _settle(uint64 challengeId, Challenge storage game, bool challengerWon) internal override {
        super._settle(challengeId, game, challengerWon);
        _addCredit(challengerWon ? game.challenger : _defenderOf(game.rootId), CHALLENGE_DEPOSIT_WEI);
    }
}

/// @dev Every proof that is there convinces.
contract AnyProofRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function verifyFraudProof(
        Challenge memory,
        bytes calldata,
        bytes calldata preState
    ) internal pure override returns (bool) {
        return keccak256(preState) != 0;
    }
}

/// @dev Whoever resolves says who has won.
contract CallersVerdictRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function verifyFraudProof(
        Challenge memory,
        bytes calldata inputs,
        bytes calldata
    ) internal pure override returns (bool) {
        return inputs.length != 0;
    }
}

/// @dev One game about a root, for ever.
contract OneChallengeRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _link(StateRoot storage entry, uint64 challengeId) internal override {
        if (entry.openChallenges != 0) revert ChallengesOpen(0, entry.openChallenges);
        super._link(entry, challengeId);
    }
}

/// @dev What is not resolved by the root's deadline never is.
contract DeadlockRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _settle(uint64 challengeId, Challenge storage game, bool challengerWon) internal override {
        uint64 deadline = this.stateRoots(game.rootId).deadline;
        if (block.timestamp >= deadline) revert ChallengePeriodOver(game.rootId, deadline);
        super._settle(challengeId, game, challengerWon);
    }
}

/// @dev A root that was challenged stays challenged, also after a won defence.
contract TaintedRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _checkFinalizable(uint64 id, StateRoot storage entry, bytes32 finalKey) internal view override {
        super._checkFinalizable(id, entry, finalKey);
        if (entry.lastResolvedAt != 0) revert ChallengesOpen(id, 0);
    }
}

/// @dev A root is unique: the first to claim it is the only one.
contract UniqueRootRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _stakeKey(bytes32 key, bytes32, address) internal pure override returns (bytes32) {
        return key;
    }
}

/// @dev Looks through all entries at each proposal and challenge.
contract ScanningRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _takeStake(uint256 stakeWei) internal view override {
        super._takeStake(stakeWei);
        for (uint64 id = 1; id <= this.stateRootCount(); id++) this.stateRoots(id);
    }
}

/// @dev A child may be final before its parent.
contract UnorderedRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _checkFinalizable(uint64 id, StateRoot storage entry, bytes32) internal view override {
        super._checkFinalizable(id, entry, entry.parentKey);
    }
}

/// @dev At the deadline a root can be challenged and made final.
contract SharedSecondRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _isChallengePeriodOver(StateRoot storage entry) internal view override returns (bool) {
        return block.timestamp > entry.deadline;
    }
}

/// @dev Pays at once, with the stipend, and cannot go on if the receiver cannot be paid.
contract PushingRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _settle(uint64, Challenge storage game, bool challengerWon) internal override {
        address winner = challengerWon ? game.challenger : _defenderOf(game.rootId);
        // solhint-disable-next-line avoid-low-level-calls, check-send-result, multiple-sends
        (bool paid, ) = winner.call{value: 2 * CHALLENGE_DEPOSIT_WEI, gas: 2300}("");
        require(paid, "transfer failed");
    }
}

/// @dev The inputs of the step are the caller's choice.
contract CallersInputsRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _executeStep(
        Challenge memory,
        bytes calldata inputs,
        bytes calldata preState
    ) internal view override returns (bytes32 postState) {
        (uint8 opcode, bytes memory instruction) = INBOX.instructionAt(abi.decode(inputs, (uint64)), inputs);
        (postState, , ) = VM.executeInstruction(opcode, instruction, preState);
    }
}

/// @dev The finalized chain decides by what is stored at a height, not by the height that it has passed.
contract LockedBondRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _fate(bytes32 key, bytes32 parentKey) internal view override returns (Status) {
        uint64 parentEnd = this.claims(parentKey).batchEnd;
        if (this.finalKeyAt(parentEnd) == 0) return Status.Pending;
        return super._fate(key, parentKey);
    }
}

/// @dev Wrong siblings of final roots get their bonds back: lying is free again.
contract ForgivingRollup is OptimisticRollup {
    constructor(ILedgerVM vm, IDataAvailability inbox, Config memory c) OptimisticRollup(vm, inbox, c) {}

    function _fate(bytes32 key, bytes32 parentKey) internal view override returns (Status status) {
        status = super._fate(key, parentKey);
        return status == Status.Slashed ? Status.Refunded : status;
    }
}
