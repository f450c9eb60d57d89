// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICredits} from "./ICredits.sol";

/// @title Pull payments, as a base contract
/// @author Proofmill
/// @notice Keeps what is owed and pays it on request.
/// @dev The only place where Ether leaves a contract built on it. Who inherits must keep enough Ether to cover
/// the credits that it adds.
abstract contract Credits is ICredits, ReentrancyGuardTransient {
    mapping(address account => uint256 amountWei) private _credits;

    /// @inheritdoc ICredits
    function withdrawCredit() external nonReentrant {
        uint256 amountWei = _credits[msg.sender];
        if (amountWei == 0) revert NoCredit(msg.sender);
        delete _credits[msg.sender];
        emit CreditWithdrawn(msg.sender, amountWei);
        // All gas is forwarded on purpose: everything is settled, and a fixed stipend would lock out wallets that
        // are contracts. A receiver that burns gas or returns megabytes pays for it itself: it is the caller.
        // solhint-disable-next-line avoid-low-level-calls
        (bool paid, ) = msg.sender.call{value: amountWei}("");
        if (!paid) revert PaymentRefused(msg.sender, amountWei);
    }

    /// @inheritdoc ICredits
    function credits(address account) external view returns (uint256 amountWei) {
        return _credits[account];
    }

    /// @dev Owes `amountWei` more to `account`. The caller has marked the claim as spent before.
    function _addCredit(address account, uint256 amountWei) internal {
        _credits[account] += amountWei;
        emit CreditAdded(account, amountWei);
    }
}
