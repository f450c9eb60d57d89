// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Names of L1 contracts in other domains
/// @author Proofmill
/// @notice A contract's address says nothing about who controls the same address elsewhere, so contracts act there
/// under an address of their own: theirs plus a constant. An account with a key is the same everywhere.
library AddressAlias {
    uint160 private constant OFFSET = uint160(0x1111000000000000000000000000000000001111);
    /// @dev An account with a key that runs another contract's code (EIP-7702) has this and an address for its own. No
    /// contract's code can begin with the byte 0xef (EIP-3541).
    bytes3 private constant DELEGATION = 0xef0100;

    /// @notice Who an L1 sender is in another domain.
    /// @dev By its code, not by tx.origin: a delegated account called by somebody else is still itself. A contract has
    /// no code while it is constructed and acts under its plain address then; no other contract can ever have that
    /// address, and no key.
    /// @param sender The sender on L1.
    /// @return authority The sender, or its alias if it is a contract.
    function authorityOf(address sender) internal view returns (address authority) {
        bytes memory code = sender.code;
        return code.length == 0 || bytes3(code) == DELEGATION ? sender : alias_(sender);
    }

    /// @notice Alias of a contract.
    /// @param sender Its address on L1.
    /// @return aliased Its name elsewhere.
    function alias_(address sender) internal pure returns (address aliased) {
        unchecked {
            return address(uint160(sender) + OFFSET);
        }
    }
}
