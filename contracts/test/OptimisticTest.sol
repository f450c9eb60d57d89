// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {ILedgerVM} from "../ledger/ILedgerVM.sol";
import {IOptimisticRollup} from "../optimistic/IOptimisticRollup.sol";
import {OptimisticRollup} from "../optimistic/OptimisticRollup.sol";
import {StubInbox, opcodeAt} from "./StubInbox.sol";
import {StubLedger, afterOpcode, rootOf} from "./StubLedger.sol";
import {vm} from "./Vm.sol";

/// @title A rollup over a made-up machine, and people who use it
/// @author Proofmill
/// @dev `states[i]` is the number after `i` instructions of the inbox, from the genesis on.
abstract contract OptimisticTest {
    uint256 internal constant BOND = 1001; // odd: the halves differ
    uint256 internal constant DEPOSIT = 300;
    uint32 internal constant PERIOD = 10_000;
    uint24 internal constant CLOCK = 1_000;
    uint32 internal constant GRACE = 500;
    uint32 internal constant MAX_BATCHES = 3;
    uint64 internal constant START = 1_000_000;

    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);
    address internal constant CAROL = address(0xca401);
    address internal constant MALLORY = address(0xbad);
    address internal constant SYBIL = address(0x5bb1);
    address internal constant ANYBODY = address(0xa11);

    OptimisticRollup internal rollup;
    StubInbox internal inbox;
    StubLedger internal ledger;
    uint256[] internal states;

    function _deploy() internal {
        vm.warp(START);
        inbox = new StubInbox();
        // The ledger is made for the rollup, and the rollup with the ledger: of one, the address must be known before.
        ledger = new StubLedger(_created(address(this), vm.getNonce(address(this)) + 1));
        rollup = _create(ILedgerVM(address(ledger)), IDataAvailability(address(inbox)), _config());
        delete states;
        states.push(ledger.GENESIS());
    }

    /// @dev A weakened copy, in the tests that show what its weakness costs.
    function _create(
        ILedgerVM vm_,
        IDataAvailability inbox_,
        IOptimisticRollup.Config memory config
    ) internal virtual returns (OptimisticRollup) {
        return new OptimisticRollup(vm_, inbox_, config);
    }

    function _batch(uint64 instructions) internal {
        uint64 next = uint64(states.length - 1);
        for (uint64 i = 0; i < instructions; i++) states.push(afterOpcode(states[next + i], opcodeAt(next + i)));
        inbox.append(instructions);
    }

    function _trueRoot(uint64 batchEnd) internal view returns (bytes32) {
        return rootOf(states[inbox.cumulative(batchEnd)]);
    }

    function _trueKey(uint64 batchEnd) internal view returns (bytes32) {
        return rollup.keyOf(batchEnd, _trueRoot(batchEnd));
    }

    function _falseRoot(uint256 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode("false", salt));
    }

    function _propose(address proposer, bytes32 root, bytes32 parentKey) internal returns (uint64) {
        vm.deal(proposer, proposer.balance + BOND);
        vm.prank(proposer);
        return rollup.proposeStateRoot{value: BOND}(root, parentKey);
    }

    function _challenge(address challenger, uint64 id) internal returns (uint64) {
        vm.deal(challenger, challenger.balance + DEPOSIT);
        vm.prank(challenger);
        return rollup.challengeStateRoot{value: DEPOSIT}(id);
    }

    /// @dev The one instruction that is left of a game.
    function _resolve(uint64 challengeId) internal {
        (bytes memory inputs, bytes memory preState) = _witness(challengeId);
        rollup.resolveChallenge(challengeId, inputs, preState);
    }

    function _witness(uint64 challengeId) internal view returns (bytes memory inputs, bytes memory preState) {
        IOptimisticRollup.Challenge memory game = rollup.challenges(challengeId);
        uint64 first = _firstStep(game.rootId);
        return (abi.encode(first + game.lo), abi.encode(states[first + game.lo]));
    }

    function _firstStep(uint64 rootId) internal view returns (uint64) {
        return inbox.cumulative(rollup.claims(rollup.stateRoots(rootId).parentKey).batchEnd);
    }

    /// @dev The challenger is honest, the defender says what is true in every middle, so the end is what is wrong.
    function _playUntilStep(uint64 challengeId) internal {
        IOptimisticRollup.Challenge memory game = rollup.challenges(challengeId);
        address defender = rollup.stateRoots(game.rootId).proposer;
        uint64 first = _firstStep(game.rootId);
        while (game.hi - game.lo > 1) {
            bytes32 middle = rootOf(states[first + game.lo + (game.hi - game.lo) / 2]);
            vm.prank(defender);
            rollup.bisect(challengeId, middle);
            vm.prank(game.challenger);
            rollup.choose(challengeId, true);
            game = rollup.challenges(challengeId);
        }
    }

    function _finalize(uint64 id) internal {
        uint64[] memory ids = new uint64[](1);
        ids[0] = id;
        rollup.finalizeStateRoots(ids);
    }

    function _status(uint64 id) internal view returns (IOptimisticRollup.Status) {
        return rollup.stateRoots(id).status;
    }

    function _is(uint64 id, IOptimisticRollup.Status status) internal view {
        require(_status(id) == status, "status");
    }

    function _owed(address account, uint256 amount) internal view {
        require(rollup.credits(account) == amount, "credit");
    }

    function _config() internal pure returns (IOptimisticRollup.Config memory) {
        return
            IOptimisticRollup.Config({
                proposerBondWei: BOND,
                challengeDepositWei: DEPOSIT,
                challengePeriodSeconds: PERIOD,
                clockSeconds: CLOCK,
                graceSeconds: GRACE,
                maxBatches: MAX_BATCHES
            });
    }

    /// @dev Address of the contract that `creator` makes at a nonce below 256: hash of RLP of both.
    function _created(address creator, uint256 nonce) internal pure returns (address) {
        bytes memory rlp = nonce < 128
            ? abi.encodePacked(bytes2(0xd694), creator, bytes1(uint8(nonce)))
            : abi.encodePacked(bytes2(0xd794), creator, bytes1(0x81), bytes1(uint8(nonce)));
        return address(uint160(uint256(keccak256(rlp))));
    }
}
