// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account, Opening, Outcome} from "../ledger/LedgerTypes.sol";
import {LedgerVM} from "../ledger/LedgerVM.sol";

/// @title Ledgers with one check less each
/// @author Proofmill
/// @dev For the tests that rob them. Everything else is the real contract. This one believes openings.
contract CredulousLedger is LedgerVM {
    constructor(address rollup_, uint32 sourceDomain_) LedgerVM(rollup_, sourceDomain_) {}

    function _open(Machine memory, bytes32, uint256, Opening memory) internal pure override {}
}

/// @dev A signature works as often as it is shown.
contract ReplayingLedger is LedgerVM {
    constructor(address rollup_, uint32 sourceDomain_) LedgerVM(rollup_, sourceDomain_) {}

    function _authorize(
        Machine memory machine,
        Order memory order,
        Account memory payer
    ) internal view override returns (Outcome outcome) {
        outcome = super._authorize(machine, order, payer);
        return outcome == Outcome.NonceMismatch ? Outcome.Done : outcome;
    }
}

/// @dev Nobody has to sign.
contract UnsignedLedger is LedgerVM {
    constructor(address rollup_, uint32 sourceDomain_) LedgerVM(rollup_, sourceDomain_) {}

    function _authorize(
        Machine memory,
        Order memory,
        Account memory
    ) internal pure override returns (Outcome outcome) {
        return Outcome.Done;
    }
}
