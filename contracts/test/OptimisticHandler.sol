// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInteractiveFraudProof} from "../optimistic/IInteractiveFraudProof.sol";
import {IOptimisticRollup} from "../optimistic/IOptimisticRollup.sol";
import {OptimisticTest} from "./OptimisticTest.sol";
import {rootOf} from "./StubLedger.sol";
import {bound, vm} from "./Vm.sol";

/// @title One honest proposer, one honest challenger, and a crowd of others
/// @author Proofmill
/// @dev Alice proposes the truth and defends it. Bob challenges what is false on a true parent. Both act at least every
/// `STEP` seconds; everybody else does anything at any time. What succeeds is counted.
contract OptimisticHandler is OptimisticTest {
    uint256 private constant STEP = CLOCK / 8; // at most five moves in a game of 18 instructions
    uint256 private constant ENTRIES_MAX = 24;
    uint256 private constant GAMES_MAX = 24;
    uint256 private constant BATCHES_MAX = 20;

    mapping(uint64 challengeId => uint256 time) public startOf;
    uint64[] private _honestGames; // that are open, as far as known
    uint64[] public finalized;
    bytes32[] public keys; // every claim, the genesis first
    uint256 public paidToHonest;
    uint256 public stakedByHonest;

    uint256 public proposed;
    uint256 public lied;
    uint256 public copied;
    uint256 public challenged;
    uint256 public bisected;
    uint256 public chosen;
    uint256 public resolved;
    uint256 public timedOut;
    uint256 public orphaned;
    uint256 public refunded;
    uint256 public fetched;

    constructor() {
        _deploy();
        keys.push(_trueKey(0));
    }

    function batch(uint256 seed) external {
        if (inbox.batchCount() < BATCHES_MAX) _batch(uint64(bound(seed, 1, 6)));
        _actHonestly();
    }

    /// @dev A false root, or a true one on a false parent.
    function lie(uint256 seed) external {
        if (rollup.stateRootCount() >= ENTRIES_MAX) return;
        bytes32 parentKey = keys[(seed >> 8) % keys.length];
        bytes32 root = seed % 4 == 0 ? rootOf(states[(seed >> 16) % states.length]) : _falseRoot(seed % 5);
        if (_tryPropose(_stranger(seed >> 32), root, parentKey)) lied++;
        _actHonestly();
    }

    /// @dev The truth, by somebody who will not defend it.
    function copy(uint256 seed) external {
        if (rollup.stateRootCount() >= ENTRIES_MAX) return;
        bytes32 parentKey = rollup.finalKeyAt(rollup.latestBatchEnd());
        uint64 end = rollup.claims(parentKey).nextBatchEnd;
        if (end > inbox.batchCount()) return;
        if (_tryPropose(_stranger(seed), _trueRoot(end), parentKey)) copied++;
    }

    function challenge(uint256 seed) external {
        if (rollup.challengeCount() >= GAMES_MAX || rollup.stateRootCount() == 0) return;
        uint64 id = uint64(1 + (seed % rollup.stateRootCount()));
        address challenger = _stranger(seed >> 32);
        vm.deal(challenger, DEPOSIT);
        vm.prank(challenger);
        try rollup.challengeStateRoot{value: DEPOSIT}(id) returns (uint64 game) {
            _began(game);
        } catch {}
        _actHonestly();
    }

    /// @dev Somebody moves in a game, truly or not. Alice and Bob move by themselves.
    function move(uint256 seed) external {
        if (rollup.challengeCount() == 0) return;
        uint64 id = uint64(1 + (seed % rollup.challengeCount()));
        IOptimisticRollup.Challenge memory game = rollup.challenges(id);
        address proposer = rollup.stateRoots(game.rootId).proposer;
        if (game.turn == IInteractiveFraudProof.Turn.Defender) {
            if (proposer == ALICE) return;
            bytes32 said = (seed >> 8) % 2 == 0 ? rootOf(states[(seed >> 16) % states.length]) : _truth(game);
            vm.prank(proposer);
            try rollup.bisect(id, said) {
                bisected++;
            } catch {}
        } else if (game.challenger != BOB) {
            vm.prank(game.challenger);
            try rollup.choose(id, (seed >> 8) % 2 == 0) {
                chosen++;
            } catch {}
        }
        _actHonestly();
    }

    /// @dev The step of any game, by anybody.
    function resolve(uint256 seed) external {
        if (rollup.challengeCount() == 0) return;
        uint64 id = uint64(1 + (seed % rollup.challengeCount()));
        (bytes memory inputs, bytes memory preState) = _witness(id);
        try rollup.resolveChallenge(id, inputs, preState) {
            resolved++;
        } catch {}
    }

    function wait(uint256 seed) external {
        uint256 end = block.timestamp + bound(seed, 1, seed % 2 == 0 ? uint256(CLOCK) : uint256(PERIOD) / 2);
        while (block.timestamp < end) {
            bool isQuiet = _honestGames.length == 0;
            vm.warp(isQuiet || block.timestamp + STEP > end ? end : block.timestamp + STEP);
            _actHonestly();
        }
    }

    function finalize(uint256 seed) external {
        uint64 count = rollup.stateRootCount();
        for (uint64 i = 0; i < count; i++) {
            uint64 id = uint64(1 + ((i + (seed % count)) % count));
            if (_status(id) != IOptimisticRollup.Status.Pending) continue;
            uint64[] memory ids = new uint64[](1);
            ids[0] = id;
            try rollup.finalizeStateRoots(ids) {
                finalized.push(id);
            } catch {}
        }
    }

    function orphan(uint256 seed) external {
        if (rollup.stateRootCount() == 0) return;
        try rollup.claimOrphan(uint64(1 + (seed % rollup.stateRootCount()))) {
            orphaned++;
        } catch {}
    }

    function refund(uint256 seed) external {
        if (rollup.challengeCount() == 0) return;
        try rollup.refundChallenge(uint64(1 + (seed % rollup.challengeCount()))) {
            refunded++;
        } catch {}
    }

    function fetch(uint256 seed) external {
        address account = accountAt(seed % accountCount());
        uint256 amount = rollup.credits(account);
        if (amount == 0 || account == address(0)) return;
        uint256 before = account.balance;
        vm.prank(account);
        rollup.withdrawCredit();
        require(account.balance == before + amount, "paid");
        if (account == ALICE || account == BOB) paidToHonest += amount;
        fetched++;
    }

    /// @dev Stakes of Alice and Bob that are still there.
    function honestAtStake() external view returns (uint256 amount) {
        for (uint64 id = 1; id <= rollup.stateRootCount(); id++) {
            if (_status(id) == IOptimisticRollup.Status.Pending && rollup.stateRoots(id).proposer == ALICE) {
                amount += BOND;
            }
        }
        for (uint64 id = 1; id <= rollup.challengeCount(); id++) {
            IOptimisticRollup.Challenge memory game = rollup.challenges(id);
            if (!game.resolved && game.challenger == BOB) amount += DEPOSIT;
        }
    }

    function finalizedCount() external view returns (uint256) {
        return finalized.length;
    }

    function trueKey(uint64 batchEnd) external view returns (bytes32) {
        return _trueKey(batchEnd);
    }

    function target() external view returns (IOptimisticRollup) {
        return rollup;
    }

    function accountCount() public pure returns (uint256) {
        return 8;
    }

    /// @dev Everybody to whom anything can be credited.
    function accountAt(uint256 i) public pure returns (address) {
        if (i == 0) return address(0);
        if (i == 1) return ALICE;
        if (i == 2) return BOB;
        return _stranger(i);
    }

    function stakes() external pure returns (uint256 bond, uint256 deposit, uint256 clock) {
        return (BOND, DEPOSIT, CLOCK);
    }

    function _actHonestly() private {
        _proposeTruth();
        for (uint256 i = _honestGames.length; i > 0; i--) {
            uint64 id = _honestGames[i - 1];
            if (_isOver(id)) {
                _honestGames[i - 1] = _honestGames[_honestGames.length - 1];
                _honestGames.pop();
            } else {
                _play(id);
            }
        }
    }

    /// @dev On the final claim and on what true claims lead from it, whoever else made them.
    function _proposeTruth() private {
        bytes32 parentKey = rollup.finalKeyAt(rollup.latestBatchEnd());
        for (uint256 i = 0; i < 2; i++) {
            uint64 end = rollup.claims(parentKey).nextBatchEnd;
            if (end > inbox.batchCount()) return;
            bytes32 key = _trueKey(end);
            if (rollup.entryOf(key, parentKey, ALICE) == 0 && _tryPropose(ALICE, _trueRoot(end), parentKey)) {
                stakedByHonest += BOND;
                proposed++;
            }
            parentKey = key;
        }
    }

    /// @dev Bob looks at each entry once: what is true of it does not change.
    function _watch(uint64 id) private {
        IOptimisticRollup.StateRoot memory entry = rollup.stateRoots(id);
        if (!_isTrue(entry.parentKey) || _isTrue(entry.key)) return;
        stakedByHonest += DEPOSIT;
        _began(_challenge(BOB, id));
    }

    function _began(uint64 gameId) private {
        startOf[gameId] = block.timestamp;
        challenged++;
        IOptimisticRollup.Challenge memory game = rollup.challenges(gameId);
        if (game.challenger == BOB || rollup.stateRoots(game.rootId).proposer == ALICE) _honestGames.push(gameId);
    }

    function _play(uint64 id) private {
        IOptimisticRollup.Challenge memory game = rollup.challenges(id);
        bool isDefenders = game.turn == IInteractiveFraudProof.Turn.Defender;
        uint256 left = isDefenders ? game.clockDefender : game.clockChallenger;
        if (block.timestamp - game.lastMove > left) {
            rollup.claimTimeout(id);
            timedOut++;
            return;
        }
        bool isAlices = rollup.stateRoots(game.rootId).proposer == ALICE;
        if (game.hi - game.lo == 1) {
            _resolve(id);
            resolved++;
        } else if (isDefenders && isAlices) {
            bytes32 truth = _truth(game);
            vm.prank(ALICE);
            rollup.bisect(id, truth);
            bisected++;
        } else if (!isDefenders && game.challenger == BOB) {
            bool agree = game.midState == _truth(game);
            vm.prank(BOB);
            rollup.choose(id, agree);
            chosen++;
        }
    }

    function _isOver(uint64 id) private view returns (bool) {
        IOptimisticRollup.Challenge memory game = rollup.challenges(id);
        return game.resolved || _status(game.rootId) != IOptimisticRollup.Status.Pending;
    }

    /// @dev The true state in the middle.
    function _truth(IOptimisticRollup.Challenge memory game) private view returns (bytes32) {
        return rootOf(states[_firstStep(game.rootId) + game.lo + (game.hi - game.lo) / 2]);
    }

    function _isTrue(bytes32 key) private view returns (bool) {
        return key == _trueKey(rollup.claims(key).batchEnd);
    }

    function _tryPropose(address proposer, bytes32 root, bytes32 parentKey) private returns (bool) {
        vm.deal(proposer, proposer.balance + BOND);
        vm.prank(proposer);
        try rollup.proposeStateRoot{value: BOND}(root, parentKey) returns (uint64 id) {
            keys.push(rollup.stateRoots(id).key);
            _watch(id);
            return true;
        } catch {
            return false;
        }
    }

    function _stranger(uint256 seed) private pure returns (address) {
        return address(uint160(0x5000 + (seed % 5)));
    }
}
