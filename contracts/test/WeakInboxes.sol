// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAvailability} from "../inbox/DataAvailability.sol";

/// @title Inboxes with one check less each
/// @author Proofmill
/// @dev For the tests that rob them. Everything else is the real contract.
contract AnybodysInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _checkSequencer() internal pure override {}
}

/// @dev A batch that was made for another place is taken.
contract UnorderedInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _checkNumber(uint64, uint64) internal pure override {}
}

/// @dev The root is whatever is stated.
contract UnboundInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _checkRoot(bytes32, bytes calldata, uint256) internal pure override {}
}

/// @dev Entries may be passed over for ever.
contract CensoringInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _checkQueueEnd(uint64) internal pure override {}
}

/// @dev Everybody may force at once.
contract HastyInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _checkForceable(uint64) internal pure override {}
}

/// @dev An entry is whatever is shown.
contract CredulousInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _checkItem(uint64, uint8, bytes memory) internal pure override {}
}

/// @dev A record may say that it is a deposit.
contract MintingInbox is DataAvailability {
    constructor(Config memory config_) DataAvailability(config_) {}

    function _admit(uint8 opcode) internal pure override returns (uint8 admitted) {
        return opcode;
    }
}
