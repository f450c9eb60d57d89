// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OP_DEPOSIT, OP_EXIT, OP_FEE, OP_FORCED, OP_TRANSFER, Outcome} from "../ledger/LedgerTypes.sol";
import {LedgerHandler} from "./LedgerHandler.sol";
import {LedgerProbe} from "./LedgerProbe.sol";

contract LedgerVMInvariantTest {
    LedgerHandler private handler;

    function setUp() public {
        handler = new LedgerHandler(new LedgerProbe(address(0xa0110), 9));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The handler requires after each instruction that no slot changed hands and no nonce fell.
    function invariant_whatCameInIsInsideOrWentOut() public view {
        (uint256 inside, uint256 cameIn, uint256 wentOut) = handler.money();
        require(inside + wentOut == cameIn, "money");
        require(handler.current().l1Cursor == handler.consumed(), "cursor");
    }

    /// @dev Without this the invariants could hold because nothing ever happens.
    function test_handlerReachesEveryPath() public {
        for (uint256 i = 0; i < 500; i++) {
            uint256 seed = uint256(keccak256(abi.encode("ledger", i)));
            uint128 amount = uint128(seed >> 128);
            if (seed % 7 == 0) handler.deposit(seed >> 8, amount);
            if (seed % 7 == 1 || seed % 7 == 2) handler.pay(seed >> 8, amount);
            if (seed % 7 == 3) handler.payAgain(seed & 0x100 == 0);
            if (seed % 7 == 4) handler.force(seed >> 8, amount);
            if (seed % 7 == 5) handler.payFees(seed >> 8);
            if (seed % 7 == 6) handler.garbage(uint8(seed >> 8), abi.encode(seed));
        }
        for (uint8 opcode = OP_DEPOSIT; opcode <= OP_FEE; opcode++) {
            require(handler.counts(opcode, Outcome.Done) > 5, "done");
        }
        require(handler.counts(OP_TRANSFER, Outcome.NonceMismatch) > 5, "nonce");
        require(handler.counts(OP_TRANSFER, Outcome.NotAuthorized) > 5, "signature");
        require(handler.counts(OP_FORCED, Outcome.NotAuthorized) > 1, "sender");
        require(handler.counts(OP_EXIT, Outcome.BalanceTooLow) > 1, "balance");
        require(handler.counts(OP_EXIT, Outcome.DestinationIsSource) > 1, "destination");
        require(handler.counts(OP_TRANSFER, Outcome.Expired) > 1, "expired");
        require(handler.counts(OP_DEPOSIT, Outcome.IndexOutOfRange) > 1, "index");
        require(handler.counts(OP_DEPOSIT, Outcome.OwnerMismatch) > 1, "owner");
        require(handler.counts(OP_FEE, Outcome.OwnerMismatch) > 0, "owner of fees");
        invariant_whatCameInIsInsideOrWentOut();
    }
}
