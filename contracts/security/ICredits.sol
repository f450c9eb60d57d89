// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Pull payments
/// @author Proofmill
/// @notice Money that the contract owes is written down first and fetched by its owner in a transaction of its own, so
/// a receiver that reverts or reenters can harm nobody else.
interface ICredits {
    /// @notice Money was credited.
    /// @param account Who may fetch it.
    /// @param amountWei What was added, in wei.
    event CreditAdded(address indexed account, uint256 amountWei);

    /// @notice The whole credit was paid out.
    /// @param account Who fetched it.
    /// @param amountWei What was paid, in wei.
    event CreditWithdrawn(address indexed account, uint256 amountWei);

    /// @notice The caller has nothing to fetch.
    /// @param account The caller.
    error NoCredit(address account);

    /// @notice The caller refused the money; its credit stays.
    /// @param account The caller.
    /// @param amountWei What was offered, in wei.
    error PaymentRefused(address account, uint256 amountWei);

    /// @notice Pay the caller all that is credited to it.
    function withdrawCredit() external;

    /// @notice What an account may fetch.
    /// @param account The account.
    /// @return amountWei Its credit in wei.
    function credits(address account) external view returns (uint256 amountWei);
}
