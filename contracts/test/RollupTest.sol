// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Message, MessageLeaf} from "../bridge/MessageLeaf.sol";
import {L1Entry} from "../zk/BatchData.sol";
import {IZKRollup} from "../zk/IZKRollup.sol";
import {SCALAR_FIELD} from "../zk/ScalarField.sol";
import {ZKRollup} from "../zk/ZKRollup.sol";
import {Exit, SlowBatchData} from "./SlowBatchData.sol";
import {SlowExitTree} from "./SlowExitTree.sol";
import {StubVerifier} from "./StubVerifier.sol";
import {vm} from "./Vm.sol";

/// @title A rollup whose blocks can be made up
/// @author Proofmill
/// @dev Base of the tests with a stub verifier. Signals and exits come from the slow twins and the contract's views.
abstract contract RollupTest {
    address internal constant OPERATOR = address(0x0be7a70);
    uint32 internal constant SOURCE_DOMAIN = 7;
    uint256 internal constant ENTRY_FEE = 1e15;
    uint64 internal constant MIN_DEPOSIT_GWEI = 1e6;
    uint64 internal constant WINDOW = 1 days;
    uint64 internal constant SPACING = 12;
    uint256 internal constant GENESIS = 42;

    struct BlockInput {
        uint256 newRoot;
        bytes32 transactionsHash;
        uint256[5] signals;
        bytes txData;
    }

    StubVerifier internal stub;
    ZKRollup internal rollup;
    uint32 internal nTx;
    uint32 internal nDeposits;

    function _deploy(uint32 nTx_, uint32 levels, uint32 nDeposits_) internal {
        nTx = nTx_;
        nDeposits = nDeposits_;
        stub = new StubVerifier();
        rollup = new ZKRollup(stub, bytes32(GENESIS), _config(nTx_, levels, nDeposits_));
    }

    function _register(address owner, uint256 amountGwei) internal returns (uint32) {
        uint256 value = ENTRY_FEE + amountGwei * 1 gwei;
        vm.deal(owner, owner.balance + value);
        uint256 ax = uint160(owner);
        vm.prank(owner);
        return rollup.register{value: value}(ax, ax + 1);
    }

    /// @dev Commits as the operator and returns nothing: read the rollup.
    function _commit(BlockInput memory b) internal {
        vm.prank(OPERATOR);
        rollup.commitBlock(
            bytes32(b.newRoot),
            b.transactionsHash,
            [uint256(1), 2],
            [[uint256(3), 4], [uint256(5), 6]],
            [uint256(7), 8],
            b.signals,
            b.txData
        );
    }

    function _config(
        uint32 nTx_,
        uint32 levels,
        uint32 nDeposits_
    ) internal pure returns (IZKRollup.Config memory config) {
        return
            IZKRollup.Config({
                operator: OPERATOR,
                sourceDomain: SOURCE_DOMAIN,
                nTx: nTx_,
                levels: levels,
                nDeposits: nDeposits_,
                entryFeeWei: ENTRY_FEE,
                minDepositGwei: MIN_DEPOSIT_GWEI,
                inclusionWindowSeconds: WINDOW,
                spacingSeconds: SPACING
            });
    }

    /// @dev A block with fitting signals; h stands for what a circuit would have computed.
    function _block(uint256 newRoot, bytes memory txData, uint256 h) internal view returns (BlockInput memory b) {
        uint256[] memory d = SlowBatchData.elements(
            rollup.domain(),
            rollup.blockCount() + 1,
            _entries(uint8(txData[4])),
            txData,
            nDeposits,
            nTx
        );
        uint256 z = SlowBatchData.challenge(rollup.circuitId(), d, h);
        b.newRoot = newRoot;
        b.transactionsHash = keccak256(txData);
        b.signals = [uint256(rollup.currentStateRoot()), newRoot, h, z, SlowBatchData.evaluate(d, z)];
        b.txData = txData;
    }

    /// @dev The next entries of the queue, from the public views.
    function _entries(uint256 count) internal view returns (L1Entry[] memory entries) {
        entries = new L1Entry[](count);
        uint256 head = rollup.queueHead();
        for (uint256 i = 0; i < count; i++) {
            (uint8 kind, uint32 index, uint64 amountGwei, ) = rollup.queueItem(head + i);
            (address owner, uint256 ax, uint256 ay) = rollup.accounts(index);
            entries[i] = L1Entry(kind, index, amountGwei, ax, ay, owner);
        }
    }

    /// @dev Header for `count` entries whose forced exits have these amounts, then records padded with no-ops.
    function _txData(
        uint32 feeIndex,
        uint256 count,
        uint64[] memory exitAmounts,
        bytes memory records
    ) internal view returns (bytes memory txData) {
        txData = bytes.concat(bytes4(feeIndex), bytes1(uint8(count)));
        for (uint256 i = 0; i < exitAmounts.length; i++) txData = bytes.concat(txData, bytes8(exitAmounts[i]));
        return bytes.concat(txData, records, new bytes(uint256(nTx) * 21 - records.length));
    }

    function _record(
        uint8 kind,
        uint32 from,
        uint32 to,
        uint64 amount,
        uint32 fee
    ) internal pure returns (bytes memory) {
        return abi.encodePacked(kind, from, to, amount, fee);
    }

    /// @dev The leaves of a block's exit tree by slot, and the exits themselves. Call it before the commit.
    function _exits(
        bytes memory txData,
        uint256 blockNumber
    ) internal view returns (Exit[] memory exits, bytes32[] memory leaves) {
        exits = SlowBatchData.exits(_entries(uint8(txData[4])), txData, nDeposits, nTx);
        leaves = new bytes32[](uint256(nDeposits) + nTx);
        for (uint256 i = 0; i < exits.length; i++) {
            (address owner, , ) = rollup.accounts(uint32(exits[i].index));
            leaves[exits[i].slot] = _leaf(owner, exits[i].amount * 1 gwei, (blockNumber << 32) + exits[i].slot);
        }
    }

    function _leaf(address owner, uint256 amountWei, uint256 nonce) internal view returns (bytes32) {
        return MessageLeaf.hash(SOURCE_DOMAIN, 0, address(rollup), Message(owner, owner, "", amountWei, 0, nonce));
    }

    function _exitProof(bytes32[] memory leaves, uint256 slot) internal pure returns (bytes32[] memory) {
        return SlowExitTree.proof(leaves, slot);
    }

    function _fieldElement(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed))) % SCALAR_FIELD;
    }
}
