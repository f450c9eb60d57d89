// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IZKRollup} from "../zk/IZKRollup.sol";

/// @title A thief that calls back while it is paid
/// @author Proofmill
/// @dev Tries `withdrawCredit` again, then its own exit again; keeps what each attempt said and takes the money anyway.
contract ReentrantReceiver {
    IZKRollup private immutable ROLLUP;
    uint256 private amountWei;
    uint256 private nonce;
    bytes32[] private proof;
    bytes public fetchAgain;
    bytes public withdrawAgain;

    constructor(IZKRollup rollup) {
        ROLLUP = rollup;
    }

    receive() external payable {
        try ROLLUP.withdrawCredit() {
            fetchAgain = "paid twice";
        } catch (bytes memory reason) {
            fetchAgain = reason;
        }
        try ROLLUP.withdraw(amountWei, nonce, proof, nonce) {
            withdrawAgain = "credited twice";
        } catch (bytes memory reason) {
            withdrawAgain = reason;
        }
    }

    function register(uint256 ax, uint256 ay) external payable {
        ROLLUP.register{value: msg.value}(ax, ay);
    }

    function steal(uint256 amountWei_, uint256 nonce_, bytes32[] calldata proof_) external {
        (amountWei, nonce, proof) = (amountWei_, nonce_, proof_);
        ROLLUP.withdraw(amountWei_, nonce_, proof_, nonce_);
        ROLLUP.withdrawCredit();
    }
}
