// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IZKRollup} from "../zk/IZKRollup.sol";

/// @title A user contract that refuses money until told otherwise
/// @author Proofmill
contract RevertingReceiver {
    IZKRollup private immutable ROLLUP;
    bool private accepts;

    error Refused();

    constructor(IZKRollup rollup) {
        ROLLUP = rollup;
    }

    receive() external payable {
        if (!accepts) revert Refused();
    }

    function register(uint256 ax, uint256 ay) external payable {
        ROLLUP.register{value: msg.value}(ax, ay);
    }

    function withdraw(uint256 amountWei, uint256 nonce, bytes32[] calldata proof, uint256 index) external {
        ROLLUP.withdraw(amountWei, nonce, proof, index);
    }

    function fetch() external {
        ROLLUP.withdrawCredit();
    }

    function setAccepts(bool accepts_) external {
        accepts = accepts_;
    }
}
