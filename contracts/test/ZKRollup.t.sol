// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IZKRollup} from "../zk/IZKRollup.sol";
import {SCALAR_FIELD} from "../zk/ScalarField.sol";
import {RollupTest} from "./RollupTest.sol";
import {Exit} from "./SlowBatchData.sol";
import {SlowExitTree} from "./SlowExitTree.sol";
import {bound, vm} from "./Vm.sol";

contract ZKRollupTest is RollupTest {
    uint64 private constant DEPOSIT_GWEI = 1e12;

    function setUp() public {
        _deploy(5, 3, 2);
        for (uint160 i = 1; i <= 4; i++) _register(address(0x1000 + i), DEPOSIT_GWEI);
        _commit(_block(100, _txData(1, 2, new uint64[](0), ""), 1));
        _commit(_block(101, _txData(1, 2, new uint64[](0), ""), 2));
    }

    function testFuzz_blockWithFittingSignalsIsAccepted(uint256 newRoot, uint256 h, bytes memory noise) public {
        newRoot %= SCALAR_FIELD;
        bytes memory txData = _records(noise);
        BlockInput memory b = _block(newRoot, txData, h % SCALAR_FIELD);
        _commit(b);
        (bytes32 root, bytes32 hash, uint256 number, uint256 timestamp, address operator) = rollup.blocks(3);
        require(root == bytes32(newRoot) && rollup.currentStateRoot() == root, "root");
        require(hash == keccak256(txData) && number == 3 && operator == OPERATOR, "block");
        require(timestamp == block.timestamp && rollup.firstItemOf(3) == 4 && rollup.blockCount() == 3, "time");
    }

    function testFuzz_oneFlippedBitOfTheBytesIsRefused(uint256 bit, bytes memory noise, bool rehash) public {
        BlockInput memory b = _block(7, _records(noise), 8);
        bit %= 8 * b.txData.length;
        vm.assume(bit / 8 != 4); // l1Count: the queue rule answers that
        b.txData[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        bytes32 actual = keccak256(b.txData);
        if (rehash) b.transactionsHash = actual;
        (bool accepted, bytes memory reason) = _try(b);
        require(!accepted, "accepted");
        bytes4 expected = rehash ? IZKRollup.SignalMismatch.selector : IZKRollup.TransactionsHashMismatch.selector;
        require(bytes4(reason) == expected, "reason");
    }

    function testFuzz_everySignalIsChecked(uint256 signal, uint256 other, bytes memory noise) public {
        BlockInput memory b = _block(7, _records(noise), 8);
        signal %= 5;
        vm.assume(b.signals[signal] != other);
        b.signals[signal] = other;
        (bool accepted, bytes memory reason) = _try(b);
        require(!accepted, "accepted");
        bytes4 expected = other >= SCALAR_FIELD
            ? IZKRollup.SignalOutOfField.selector
            : IZKRollup.SignalMismatch.selector; // another h moves z
        require(bytes4(reason) == expected, "reason");
    }

    function testFuzz_noSignalHasASecondForm(uint256 signal) public {
        BlockInput memory b = _block(7, _records(""), 8);
        signal %= 5;
        uint256 alias_ = b.signals[signal] + SCALAR_FIELD;
        b.signals[signal] = alias_;
        if (signal == 1) b.newRoot = alias_;
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.SignalOutOfField.selector, signal, alias_));
        _commit(b);
    }

    function testFuzz_sameBlockIsNeverAcceptedTwice(uint256 newRoot, bytes memory noise) public {
        // Not even when it changes nothing: the number is in the data.
        BlockInput memory b = _block(newRoot % 2 == 0 ? 101 : newRoot % SCALAR_FIELD, _records(noise), 8);
        _commit(b);
        (bool accepted, bytes memory reason) = _try(b);
        require(!accepted && bytes4(reason) == IZKRollup.SignalMismatch.selector, "again");
    }

    function testFuzz_exitsArePaidOnceAndOnlyToTheirOwners(bytes memory noise, uint64 forced) public {
        forced = uint64(bound(forced, 0, DEPOSIT_GWEI));
        vm.deal(address(0x1001), ENTRY_FEE);
        vm.prank(address(0x1001));
        rollup.requestExit{value: ENTRY_FEE}(1);
        uint64[] memory amounts = new uint64[](1);
        amounts[0] = forced;
        bytes memory txData = _txData(1, 1, amounts, _recordsOnly(noise));
        (Exit[] memory exits, bytes32[] memory leaves) = _exits(txData, 3);
        uint64 owedBefore = rollup.owedGwei();
        _commit(_block(7, txData, 8));
        require(rollup.exitRoot(3) == (exits.length == 0 ? bytes32(0) : SlowExitTree.root(leaves)), "root");

        uint256 total;
        for (uint256 i = 0; i < exits.length; i++) {
            _withdrawOnce(exits[i], leaves);
            total += exits[i].amount;
        }
        require(rollup.owedGwei() == owedBefore - total, "owed");
    }

    function testFuzz_anythingElseIsNotInTheTree(bytes32 leaf, uint256 index, uint256 levels) public {
        bytes memory txData = _txData(1, 0, new uint64[](0), _record(2, 1, 2, 5, 0));
        (, bytes32[] memory leaves) = _exits(txData, 3);
        _commit(_block(7, txData, 8));
        uint256 nonce = (3 << 32) + 2;
        bytes32[] memory proof = _exitProof(leaves, 2);
        require(rollup.verifyInclusion(leaves[2], proof, nonce), "the exit itself");
        if (leaf != leaves[2]) require(!rollup.verifyInclusion(leaf, proof, nonce), "leaf");
        require(!rollup.verifyInclusion(0, _exitProof(leaves, 3), (3 << 32) + 3), "empty leaf");
        if (index != nonce) require(!rollup.verifyInclusion(leaves[2], proof, index), "index");
        levels = bound(levels, 0, 6);
        if (levels == 3) return;
        bytes32[] memory other = new bytes32[](levels);
        for (uint256 i = 0; i < levels && i < 3; i++) other[i] = proof[i];
        require(!rollup.verifyInclusion(leaves[2], other, nonce), "length");
        // An inner node with the rest of its path is not a leaf.
        bytes32 node = SlowExitTree.node(leaves, 1, 1);
        bytes32[] memory rest = new bytes32[](2);
        (rest[0], rest[1]) = (proof[1], proof[2]);
        require(!rollup.verifyInclusion(node, rest, (3 << 32) + 1), "inner node");
    }

    function testFuzz_domainFollowsTheChainId(uint64 newChainId) public {
        uint256 before = rollup.domain();
        vm.assume(newChainId != block.chainid && newChainId != 0);
        vm.chainId(newChainId);
        bytes memory words = abi.encode(keccak256("proofmill.zk.v1"), uint256(newChainId), address(rollup));
        require(rollup.domain() == uint256(keccak256(words)) >> 8, "domain");
        require(rollup.domain() != before, "same");
    }

    function test_blockOfAnotherChainIsRefused() public {
        BlockInput memory b = _block(7, _records(""), 8);
        uint256 original = block.chainid;
        vm.chainId(original + 1);
        (bool accepted, bytes memory reason) = _try(b);
        require(!accepted && bytes4(reason) == IZKRollup.SignalMismatch.selector, "replayed");
        vm.chainId(original);
        _commit(b);
    }

    function _withdrawOnce(Exit memory e, bytes32[] memory leaves) private {
        uint256 nonce = (3 << 32) + e.slot;
        uint256 amountWei = e.amount * 1 gwei;
        (address owner, , ) = rollup.accounts(uint32(e.index));
        bytes32[] memory proof = _exitProof(leaves, e.slot);

        vm.expectRevert(
            abi.encodeWithSelector(IZKRollup.ExitNotProven.selector, _leaf(address(0xbad), amountWei, nonce), nonce)
        );
        vm.prank(address(0xbad));
        rollup.withdraw(amountWei, nonce, proof, nonce);
        vm.expectRevert(
            abi.encodeWithSelector(IZKRollup.ExitNotProven.selector, _leaf(owner, amountWei + 1, nonce), nonce)
        );
        vm.prank(owner);
        rollup.withdraw(amountWei + 1, nonce, proof, nonce);

        uint256 creditBefore = rollup.credits(owner);
        vm.prank(owner);
        rollup.withdraw(amountWei, nonce, proof, nonce);
        require(rollup.credits(owner) == creditBefore + amountWei, "credit");
        require(rollup.processedTransactions(leaves[e.slot]), "spent");
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.AlreadyWithdrawn.selector, leaves[e.slot]));
        vm.prank(owner);
        rollup.withdraw(amountWei, nonce, proof, nonce);

        uint256 balanceBefore = owner.balance;
        vm.prank(owner);
        rollup.withdrawCredit();
        require(owner.balance == balanceBefore + creditBefore + amountWei, "paid");
    }

    function _try(BlockInput memory b) private returns (bool accepted, bytes memory reason) {
        bytes memory call = abi.encodeCall(
            rollup.commitBlock,
            (
                bytes32(b.newRoot),
                b.transactionsHash,
                [uint256(1), 2],
                [[uint256(3), 4], [uint256(5), 6]],
                [uint256(7), 8],
                b.signals,
                b.txData
            )
        );
        vm.prank(OPERATOR);
        // solhint-disable-next-line avoid-low-level-calls
        return address(rollup).call(call);
    }

    /// @dev A block without L1 entries and five records that a circuit could admit.
    function _records(bytes memory noise) private view returns (bytes memory) {
        return _txData(uint32(uint256(keccak256(noise))), 0, new uint64[](0), _recordsOnly(noise));
    }

    function _recordsOnly(bytes memory noise) private pure returns (bytes memory records) {
        for (uint256 i = 0; i < 5; i++) {
            uint256 draw = uint256(keccak256(abi.encode(noise, i)));
            uint8 kind = uint8(draw % 3);
            uint64 amount = draw % 5 == 0 ? 0 : uint64((draw >> 8) % 1e9);
            uint32 from = uint32(1 + ((draw >> 80) % 4));
            uint32 to = uint32(1 + ((draw >> 120) % 4));
            records = bytes.concat(records, _record(kind, from, to, amount, uint32(draw >> 160)));
        }
    }
}
