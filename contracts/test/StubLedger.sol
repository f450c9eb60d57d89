// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VM_TAG} from "../ledger/LedgerTypes.sol";

/// @dev A state is a number, and every number has a successor; opcode 0 leaves it as it is.
function afterOpcode(uint256 state, uint8 opcode) pure returns (uint256) {
    unchecked {
        return opcode == 0 ? state : state * 3 + opcode;
    }
}

/// @dev Its root.
function rootOf(uint256 state) pure returns (bytes32) {
    return keccak256(abi.encode(VM_TAG, state));
}

/// @title A machine with one number for a state
/// @author Proofmill
/// @dev The part of ILedgerVM that a rollup uses; a witness is the number.
contract StubLedger {
    uint256 public constant GENESIS = 1;
    address public rollup;

    constructor(address rollup_) {
        rollup = rollup_;
    }

    function genesisRoot() external pure returns (bytes32) {
        return rootOf(GENESIS);
    }

    function preStateRoot(bytes calldata preState) external pure returns (bytes32) {
        return rootOf(abi.decode(preState, (uint256)));
    }

    function executeInstruction(
        uint8 opcode,
        bytes calldata,
        bytes calldata preState
    ) external pure returns (bytes32 postState, bool isValid, uint256 gasUsed) {
        return (rootOf(afterOpcode(abi.decode(preState, (uint256)), opcode)), opcode != 0, 1);
    }
}
