// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AddressAlias} from "../bridge/AddressAlias.sol";

/// @title Who somebody is in another domain, as a view
/// @author Proofmill
contract AliasProbe {
    function authorityOf(address sender) external view returns (address authority) {
        return AddressAlias.authorityOf(sender);
    }
}
