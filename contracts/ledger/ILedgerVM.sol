// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VMState} from "./LedgerTypes.sol";

/// @title The rollup's state transition, one instruction at a time
/// @author Proofmill
/// @notice What every honest node computes for each instruction, and L1 for the one that two parties disagree about.
/// @dev The line that everything rests on: a bad *transaction* changes nothing and is an answer; a bad *witness*
/// reverts and is none. For every state and every instruction there is exactly one post-state, whoever asks, whenever.
interface ILedgerVM {
    /// @notice A ledger belongs to a rollup.
    error RollupMissing();

    /// @notice Number 0 is L1's.
    error SourceDomainIsL1();

    /// @notice Execute one instruction.
    /// @dev The caller compares `preStateRoot(preState)` with the state that it means, and has opcode and inputs from
    /// the inbox (`IDataAvailability.instructionAt`): nothing here can know whether they are the disputed ones.
    /// @param opcode What to do; see LedgerTypes. Unknown ones do nothing.
    /// @param inputs Batch number as u64, then a record without its opcode or a queue item; see TxCodec.
    /// @param preState abi.encode(VMState state, Opening debited, Opening credited, bytes32[] exitSiblings). Openings
    /// that the instruction does not come to read may be anything. `credited` is opened after `debited` was changed.
    /// @return postState Root after it.
    /// @return isValid False if the transaction was bad: then nothing changed, except that a queue entry counts as
    /// executed and a deposit that cannot be credited went into the exit tree, back to its depositor.
    /// @return gasUsed Cost in the VM's own units: the same wherever and by whomever it is computed.
    function executeInstruction(
        uint8 opcode,
        bytes calldata inputs,
        bytes calldata preState
    ) external view returns (bytes32 postState, bool isValid, uint256 gasUsed);

    /// @notice EIP-712 domain of payments: name "Proofmill Ledger", version "1", chain of the deployment, the rollup.
    /// @return separator Its hash.
    function domainSeparator() external view returns (bytes32 separator);

    /// @notice The rollup whose ledger this is: in the domain of signatures, and the source bridge of every exit.
    /// @return account Its address.
    function rollup() external view returns (address account);

    /// @notice Number of the rollup in messages.
    /// @return domain Never 0, which is L1.
    function sourceDomain() external view returns (uint32 domain);

    /// @notice Root of the state before the genesis' first instruction: no account, no exit.
    /// @return root The root.
    function genesisRoot() external pure returns (bytes32 root);

    /// @notice Root that a witness is about.
    /// @param preState As `executeInstruction` takes it.
    /// @return root Hash of its state.
    function preStateRoot(bytes calldata preState) external pure returns (bytes32 root);

    /// @notice Root of a state, for who wants to show a field of it, such as the exit root.
    /// @param state The state.
    /// @return root Its hash.
    function stateRoot(VMState calldata state) external pure returns (bytes32 root);
}
