// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAvailability} from "../inbox/IDataAvailability.sol";
import {ILedgerVM} from "../ledger/ILedgerVM.sol";

/// @title Gas of the parts of a dispute's last transaction
/// @author Proofmill
contract StepProbe {
    /// @dev Gas of finding and checking the instruction, and of executing it; calldata is not in it.
    function gasOfStep(
        IDataAvailability inbox,
        ILedgerVM ledger,
        uint64 step,
        bytes calldata evidence,
        bytes calldata preState
    ) external view returns (uint256 authenticate, uint256 execute, bytes32 postRoot, bool isValid) {
        uint256 start = gasleft();
        (uint8 opcode, bytes memory inputs) = inbox.instructionAt(step, evidence);
        authenticate = start - gasleft();
        start = gasleft();
        (postRoot, isValid, ) = ledger.executeInstruction(opcode, inputs, preState);
        execute = start - gasleft();
    }
}
