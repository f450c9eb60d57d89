// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICredits} from "../security/ICredits.sol";
import {IL1Queue} from "../zk/IL1Queue.sol";
import {IVerifier} from "../zk/IVerifier.sol";
import {IZKRollup} from "../zk/IZKRollup.sol";
import {SCALAR_FIELD} from "../zk/ScalarField.sol";
import {ZKRollup} from "../zk/ZKRollup.sol";
import {RollupTest} from "./RollupTest.sol";
import {vm} from "./Vm.sol";

/// @dev The refusals that no fuzz test meets; test/contracts has each of them with all its arguments.
contract RefusalsTest is RollupTest {
    address private constant ALICE = address(0xa11ce);

    function setUp() public {
        _deploy(2, 2, 1);
        _register(ALICE, 1e9);
        _commit(_block(1, _txData(1, 1, new uint64[](0), ""), 1));
        vm.deal(address(this), 10 ether);
    }

    /// @dev This contract receives no money.
    function test_creditsOfNobodyAndOfWhoRefuses() public {
        vm.expectRevert(abi.encodeWithSelector(ICredits.NoCredit.selector, address(this)));
        rollup.withdrawCredit();

        rollup.register{value: ENTRY_FEE + 1 ether}(1, 2);
        bytes memory exit = _record(2, 2, 2, 5, 0);
        bytes memory txData = _txData(1, 1, new uint64[](0), exit);
        (, bytes32[] memory leaves) = _exits(txData, 2);
        _commit(_block(2, txData, 2));
        uint256 nonce = (2 << 32) + 1;
        rollup.withdraw(5 gwei, nonce, _exitProof(leaves, 1), nonce);
        vm.expectRevert(abi.encodeWithSelector(ICredits.PaymentRefused.selector, address(this), 5 gwei));
        rollup.withdrawCredit();
        require(rollup.credits(address(this)) == 5 gwei, "kept");
    }

    function test_accountsOfOthersAndOfNobody() public {
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.AccountUnknown.selector, 2));
        rollup.topUp{value: 1 ether}(2, keccak256(abi.encode(0, 0, 0)));
        bytes32 account = keccak256(abi.encode(uint256(uint160(ALICE)), uint256(uint160(ALICE)) + 1, ALICE));
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.AccountMismatch.selector, 1, bytes32(0), account));
        rollup.topUp{value: 1 ether}(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.AccountUnknown.selector, 0));
        rollup.requestExit{value: ENTRY_FEE}(0);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.NotAccountOwner.selector, 1, address(this), ALICE));
        rollup.requestExit{value: ENTRY_FEE}(1);
    }

    function test_secondForcedExitAndWrongFee() public {
        vm.deal(ALICE, 1 ether);
        vm.prank(ALICE);
        rollup.requestExit{value: ENTRY_FEE}(1);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.ExitPending.selector, 1, 1));
        vm.prank(ALICE);
        rollup.requestExit{value: ENTRY_FEE}(1);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.FeeMismatch.selector, ENTRY_FEE + 1, ENTRY_FEE));
        vm.prank(ALICE);
        rollup.requestExit{value: ENTRY_FEE + 1}(1);
    }

    function test_itemsAndBlocksThatDoNotExist() public {
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.ItemUnknown.selector, 1, 1));
        rollup.queueItem(1);
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.BlockUnknown.selector, 2, 1));
        rollup.blocks(2);
    }

    function test_blocksOfOthersAndWithoutProof() public {
        BlockInput memory b = _block(2, _txData(1, 0, new uint64[](0), ""), 2);
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.NotOperator.selector, address(this), OPERATOR));
        rollup.commitBlock(0, 0, [uint256(0), 0], [[uint256(0), 0], [uint256(0), 0]], [uint256(0), 0], b.signals, "");
        stub.set(false);
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.InvalidProof.selector, 2));
        _commit(b);
    }

    function test_exitsToNobodyAndOfTooMuch() public {
        BlockInput memory b = _block(2, _txData(1, 0, new uint64[](0), _record(2, 1, 9, 5, 0)), 2);
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.ExitOwnerUnknown.selector, 1, 9));
        _commit(b);
        b = _block(2, _txData(1, 0, new uint64[](0), _record(2, 1, 1, 1e9 + 1, 0)), 2);
        vm.expectRevert(abi.encodeWithSelector(IL1Queue.ExitsOverOwed.selector, 1e9 + 1, 1e9));
        _commit(b);
    }

    function test_indexBesideTheNonce() public {
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.IndexMismatch.selector, 1, 2));
        rollup.withdraw(1, 1, new bytes32[](2), 2);
    }

    function test_deploymentsThatCannotWork() public {
        IZKRollup.Config memory config = _config(2, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.VerifierMissing.selector, ALICE));
        new ZKRollup(IVerifier(ALICE), 0, config);
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.SignalOutOfField.selector, 0, SCALAR_FIELD));
        new ZKRollup(stub, bytes32(SCALAR_FIELD), config);
        config.levels = 16;
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.ConfigOutOfRange.selector, "levels", 16, 1, 15));
        new ZKRollup(stub, 0, config);
    }
}
