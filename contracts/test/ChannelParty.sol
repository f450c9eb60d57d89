// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPaymentChannel} from "../channel/IPaymentChannel.sol";

/// @title A party that is a contract, with manners of its own when it is paid
/// @author Proofmill
contract ChannelParty {
    enum Manners {
        Accepts,
        Refuses,
        Reenters,
        Bombs
    }

    IPaymentChannel private channel;
    Manners private manners;
    bytes public answer;

    error Refused();

    receive() external payable {
        if (manners == Manners.Refuses) revert Refused();
        if (manners == Manners.Reenters) {
            try channel.withdraw() {
                answer = "paid twice";
            } catch (bytes memory reason) {
                answer = reason;
            }
        }
        if (manners == Manners.Bombs) {
            bytes memory bomb = new bytes(300_000);
            // solhint-disable-next-line no-inline-assembly
            assembly ("memory-safe") {
                return(add(bomb, 0x20), mload(bomb))
            }
        }
    }

    function set(IPaymentChannel channel_, Manners manners_) external {
        (channel, manners) = (channel_, manners_);
    }

    function deposit() external payable {
        channel.deposit{value: msg.value}();
    }

    function dispute() external {
        channel.initiateDepositDispute();
    }

    function fetch() external {
        channel.withdraw();
    }

    /// @dev Says no to every signature, as a wallet does that has changed its mind.
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}
