// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {L1Entry} from "../zk/BatchData.sol";
import {ZKRollup} from "../zk/ZKRollup.sol";
import {RollupTest} from "./RollupTest.sol";
import {Exit} from "./SlowBatchData.sol";
import {bound, vm} from "./Vm.sol";

/// @title Random users and an honest circuit
/// @author Proofmill
/// @dev Keeps a reference state: balances as the circuit would compute them. Blocks that the reference cannot execute
/// are not tried, since the circuit has no witness for them. Every function that succeeds counts itself.
contract RollupHandler is RollupTest {
    struct OpenExit {
        address owner;
        uint256 amountWei;
        uint256 nonce;
        bytes32[] proof;
    }

    uint32 public constant ACCOUNTS = 6;

    mapping(uint256 index => uint256 amountGwei) public balances;
    mapping(bytes32 leaf => uint256 times) public payments;
    uint256[] public roots;
    OpenExit[] public open;
    OpenExit[] public spent;

    uint256 public opened; // accounts whose first deposit a block has taken
    uint256 public unspentWei;
    uint256 public creditedWei;
    uint256 public paidWei;
    uint256 public exitedWei;

    uint256 public registered;
    uint256 public toppedUp;
    uint256 public exitsRequested;
    uint256 public committed;
    uint256 public overdueRefused;
    uint256 public forcedExitsServed;
    uint256 public exitsMade;
    uint256 public withdrawn;
    uint256 public replaysRefused;
    uint256 public fetched;

    constructor(ZKRollup rollup_) {
        rollup = rollup_;
        nTx = rollup_.config().nTx;
        nDeposits = rollup_.config().nDeposits;
        roots.push(GENESIS);
    }

    function register(uint256 amountGwei) external {
        if (rollup.nextIndex() > ACCOUNTS) return;
        _register(_owner(rollup.nextIndex()), bound(amountGwei, MIN_DEPOSIT_GWEI, 1e12));
        registered++;
    }

    function topUp(uint256 seed, uint256 amountGwei) external {
        uint32 index = _someAccount(seed);
        if (index == 0) return;
        (address owner, uint256 ax, uint256 ay) = rollup.accounts(index);
        uint256 value = ENTRY_FEE + bound(amountGwei, MIN_DEPOSIT_GWEI, 1e12) * 1 gwei;
        vm.deal(address(this), value);
        rollup.topUp{value: value}(index, keccak256(abi.encode(ax, ay, owner)));
        toppedUp++;
    }

    function requestExit(uint256 seed) external {
        uint32 index = _someAccount(seed);
        if (index == 0) return;
        vm.deal(_owner(index), _owner(index).balance + ENTRY_FEE);
        vm.prank(_owner(index));
        try rollup.requestExit{value: ENTRY_FEE}(index) {
            exitsRequested++;
        } catch {} // one at a time
    }

    function wait(uint256 duration) external {
        vm.warp(block.timestamp + bound(duration, 0, 2 * WINDOW));
    }

    /// @dev A block with random records that the reference state can execute.
    function commit(uint256 seed, uint256 count) external {
        uint256 waiting = rollup.queueTail() - rollup.queueHead();
        count = bound(count, 0, waiting < nDeposits ? waiting : nDeposits);
        L1Entry[] memory entries = _entries(count);
        bytes memory txData = bytes.concat(bytes4(uint32(1)), bytes1(uint8(count)));
        for (uint256 i = 0; i < count; i++) {
            uint256 index = entries[i].index;
            if (entries[i].kind == 1) {
                balances[index] += entries[i].amountGwei;
                if (index > opened) opened = index;
            } else {
                txData = bytes.concat(txData, bytes8(uint64(balances[index])));
                balances[index] = 0;
                forcedExitsServed++;
            }
        }
        txData = bytes.concat(txData, _execute(seed));
        uint256 number = rollup.blockCount() + 1;
        (Exit[] memory exits, bytes32[] memory leaves) = _exits(txData, number);
        uint256 root = _fieldElement(uint256(keccak256(abi.encode(seed, number))));
        BlockInput memory b = _block(root, txData, _fieldElement(seed));
        // Reverts as a whole when an overdue entry was left out: the reference then stays as it was, too.
        _commit(b);

        roots.push(root);
        committed++;
        for (uint256 i = 0; i < exits.length; i++) {
            uint256 amountWei = exits[i].amount * 1 gwei;
            open.push(
                OpenExit(
                    _owner(exits[i].index),
                    amountWei,
                    (number << 32) + exits[i].slot,
                    _exitProof(leaves, exits[i].slot)
                )
            );
            unspentWei += amountWei;
            exitedWei += amountWei;
            exitsMade++;
        }
    }

    /// @dev Tries to leave an overdue entry out; must not succeed.
    function commitPastOverdue() external {
        if (rollup.queueHead() == rollup.queueTail()) return;
        (, , , uint64 overdueAt) = rollup.queueItem(rollup.queueHead());
        if (block.timestamp < overdueAt) return;
        BlockInput memory b = _block(9, _txData(1, 0, new uint64[](0), ""), 9);
        try this.commitAsIs(b) {
            revert("an overdue entry was passed over");
        } catch {
            overdueRefused++;
        }
    }

    function commitAsIs(BlockInput memory b) external {
        _commit(b);
    }

    function withdraw(uint256 seed) external {
        if (open.length == 0) return;
        uint256 position = seed % open.length;
        OpenExit memory e = open[position];
        vm.prank(e.owner);
        rollup.withdraw(e.amountWei, e.nonce, e.proof, e.nonce);
        payments[_leaf(e.owner, e.amountWei, e.nonce)]++;
        spent.push(e);
        open[position] = open[open.length - 1];
        open.pop();
        unspentWei -= e.amountWei;
        creditedWei += e.amountWei;
        withdrawn++;
    }

    /// @dev Tries a spent exit again; must not succeed.
    function withdrawAgain(uint256 seed) external {
        if (spent.length == 0) return;
        OpenExit memory e = spent[seed % spent.length];
        vm.prank(e.owner);
        try rollup.withdraw(e.amountWei, e.nonce, e.proof, e.nonce) {
            payments[_leaf(e.owner, e.amountWei, e.nonce)]++;
        } catch {
            replaysRefused++;
        }
    }

    function fetch(uint256 seed) external {
        uint32 index = _someAccount(seed);
        if (index == 0) return;
        uint256 amountWei = rollup.credits(_owner(index));
        if (amountWei == 0) return;
        uint256 before = _owner(index).balance;
        vm.prank(_owner(index));
        rollup.withdrawCredit();
        require(_owner(index).balance == before + amountWei, "paid amount");
        creditedWei -= amountWei;
        paidWei += amountWei;
        fetched++;
    }

    function leafOfSpent(uint256 i) external view returns (bytes32) {
        return _leaf(spent[i].owner, spent[i].amountWei, spent[i].nonce);
    }

    function spentCount() external view returns (uint256) {
        return spent.length;
    }

    function rootCount() external view returns (uint256) {
        return roots.length;
    }

    function ownerOf(uint256 index) external pure returns (address) {
        return _owner(index);
    }

    function entryFee() external pure returns (uint256) {
        return ENTRY_FEE;
    }

    /// @dev Four records; fees go to account 1 at the end, as the circuit does it.
    function _execute(uint256 seed) private returns (bytes memory records) {
        uint256 fees;
        for (uint256 i = 0; i < nTx; i++) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            uint32 from = _someAccount(seed);
            uint32 to = _someAccount(seed >> 32);
            uint256 balance = balances[from];
            if (seed % 4 == 0 || balance < 2) {
                records = bytes.concat(records, _record(0, 0, 0, 0, 0));
                continue;
            }
            uint64 amount = uint64(bound(seed >> 64, 0, balance - 1));
            uint32 fee = uint32(bound(seed >> 128, 0, 1));
            uint8 kind = seed % 4 == 1 ? 2 : 1;
            balances[from] -= amount + fee;
            if (kind == 1) balances[to] += amount;
            fees += fee;
            records = bytes.concat(records, _record(kind, from, to, amount, fee));
        }
        balances[1] += fees;
    }

    /// @dev One of the opened accounts; 0 if there is none.
    function _someAccount(uint256 seed) private view returns (uint32) {
        return opened == 0 ? 0 : uint32(1 + (seed % opened));
    }

    function _owner(uint256 index) private pure returns (address) {
        return address(uint160(0xaccc0000 + index));
    }
}
