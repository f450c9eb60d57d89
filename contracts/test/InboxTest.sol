// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAvailability} from "../inbox/DataAvailability.sol";
import {IForcedQueue} from "../inbox/IForcedQueue.sol";
import {OP_FEE} from "../ledger/LedgerTypes.sol";
import {RECORD_TAG} from "../ledger/TxCodec.sol";
import {SlowExitTree} from "./SlowExitTree.sol";
import {vm} from "./Vm.sol";

/// @title An inbox whose batches can be made up
/// @author Proofmill
abstract contract InboxTest {
    address internal constant SEQUENCER = address(0x5e9);
    address internal constant PAYER = address(0xba4e4);
    uint256 internal constant FEE = 1e15;
    uint64 internal constant SOFT = 1 hours;
    uint64 internal constant HARD = 1 days;
    uint256 internal constant RECORD_BYTES = 133;

    function _config(uint64 maxOpen) internal pure returns (IForcedQueue.Config memory) {
        return IForcedQueue.Config(SEQUENCER, PAYER, FEE, maxOpen, SOFT, HARD);
    }

    /// @dev Records of random bytes, the last of which is a FEE.
    function _records(uint256 seed, uint256 count) internal pure returns (bytes[] memory records) {
        records = new bytes[](count);
        for (uint256 i = 0; i < count; i++) {
            bytes32 a = keccak256(abi.encode(seed, i));
            bytes memory filling = bytes.concat(a, keccak256(abi.encode(a)), a, a, bytes4(a));
            uint8 opcode = i + 1 == count ? OP_FEE : uint8(uint256(a) % 8);
            records[i] = bytes.concat(bytes1(opcode), filling);
        }
    }

    function _batchData(
        uint64 number,
        uint64 queueTo,
        bytes[] memory records
    ) internal pure returns (bytes memory data) {
        data = bytes.concat(bytes8(number), bytes8(queueTo));
        for (uint256 i = 0; i < records.length; i++) data = bytes.concat(data, records[i]);
    }

    function _leaves(bytes[] memory records) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](records.length);
        for (uint256 i = 0; i < records.length; i++) leaves[i] = keccak256(bytes.concat(RECORD_TAG, records[i]));
    }

    function _commit(DataAvailability inbox, uint64 queueTo, bytes[] memory records) internal {
        uint64 number = inbox.batchCount() + 1;
        bytes32 root = SlowExitTree.root(_leaves(records));
        vm.prank(SEQUENCER);
        inbox.commitBatch(root, _batchData(number, queueTo, records));
    }

    /// @dev Evidence of a record: opcode apart from the rest.
    function _recordEvidence(uint64 number, bytes[] memory records, uint256 i) internal view returns (bytes memory) {
        bytes memory rest = this.withoutOpcode(records[i]);
        return abi.encode(number, uint8(records[i][0]), rest, SlowExitTree.proof(_leaves(records), i));
    }

    function withoutOpcode(bytes calldata record) external pure returns (bytes memory) {
        return record[1:];
    }
}
