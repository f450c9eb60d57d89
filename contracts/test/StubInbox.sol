// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What stands at a step; the evidence for it is the step's number.
function opcodeAt(uint64 step) pure returns (uint8) {
    return uint8(uint256(keccak256(abi.encode(step))) % 3);
}

/// @title An inbox of made-up instructions
/// @author Proofmill
/// @dev The part of IDataAvailability that a rollup reads.
contract StubInbox {
    uint64[] private ends = [0];

    error OtherStep(uint64 got, uint64 expected);

    function append(uint64 instructions) external {
        ends.push(ends[ends.length - 1] + instructions);
    }

    function batchCount() external view returns (uint64) {
        return uint64(ends.length - 1);
    }

    function cumulative(uint64 number) external view returns (uint64) {
        return ends[number];
    }

    function instructionAt(
        uint64 step,
        bytes calldata evidence
    ) external pure returns (uint8 opcode, bytes memory inputs) {
        uint64 shown = abi.decode(evidence, (uint64));
        if (shown != step) revert OtherStep(shown, step);
        return (opcodeAt(step), abi.encode(step));
    }
}
