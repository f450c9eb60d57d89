// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Outcome, VMState} from "../ledger/LedgerTypes.sol";
import {LedgerVM} from "../ledger/LedgerVM.sol";

/// @title The VM with everything that it knows, many cases a call
/// @author Proofmill
contract LedgerProbe is LedgerVM {
    struct Case {
        uint8 opcode;
        bytes inputs;
        bytes preState;
    }

    struct Result {
        bytes32 preRoot;
        bytes32 postRoot;
        bool isValid;
        Outcome outcome;
        uint256 gasUsed;
        bytes revertData;
    }

    constructor(address rollup_, uint32 sourceDomain_) LedgerVM(rollup_, sourceDomain_) {}

    /// @dev Each case by itself: a revert of one is data, and the state and reason of the rest are there.
    function executeMany(Case[] calldata cases) external view returns (Result[] memory results) {
        results = new Result[](cases.length);
        for (uint256 i = 0; i < cases.length; i++) {
            Case calldata c = cases[i];
            Result memory result = results[i];
            try this.executeInstruction(c.opcode, c.inputs, c.preState) returns (
                bytes32 postRoot,
                bool isValid,
                uint256 gasUsed
            ) {
                (result.postRoot, result.isValid, result.gasUsed) = (postRoot, isValid, gasUsed);
                (, result.outcome) = this.explain(c.opcode, c.inputs, c.preState);
                result.preRoot = this.preStateRoot(c.preState);
            } catch (bytes memory revertData) {
                result.revertData = revertData.length == 0 ? bytes("empty") : revertData;
            }
        }
    }

    /// @dev Post-state and reason.
    function explain(
        uint8 opcode,
        bytes calldata inputs,
        bytes calldata preState
    ) external view returns (VMState memory state, Outcome outcome) {
        (state, outcome, ) = _execute(opcode, inputs, preState);
    }
}
