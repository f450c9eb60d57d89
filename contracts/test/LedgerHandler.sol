// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {L1_DOMAIN} from "../bridge/MessageLeaf.sol";
import {
    Account,
    OP_DEPOSIT,
    OP_EXIT,
    OP_FEE,
    OP_FORCED,
    OP_NOOP,
    OP_TRANSFER,
    Outcome,
    VMState
} from "../ledger/LedgerTypes.sol";
import {Deposit, Payment, TxCodec} from "../ledger/TxCodec.sol";
import {LedgerBook} from "./LedgerBook.sol";
import {LedgerProbe} from "./LedgerProbe.sol";

/// @title Random users of a ledger, some of whom cheat
/// @author Proofmill
/// @dev Every instruction is executed and checked by the book; every end that matters counts itself.
contract LedgerHandler is LedgerBook {
    uint256 public constant SLOTS_IN_USE = 6;

    mapping(uint8 opcode => mapping(Outcome outcome => uint256 times)) public counts;
    mapping(uint256 slot => uint64 nonce) public highestNonce;
    mapping(uint256 slot => address owner) public firstOwner;
    uint256 public consumed; // queue entries
    bytes private lastSigned;

    constructor(LedgerProbe probe_) {
        _open(probe_);
    }

    function deposit(uint256 seed, uint128 amount) external {
        amount = amount % 1e18;
        (uint32 to, address toOwner) = _receiver(seed);
        Deposit memory item = Deposit(_owner(seed >> 64), amount, to, toOwner);
        _run(OP_DEPOSIT, bytes.concat(bytes8(uint64(1)), TxCodec.encodeDeposit(item)));
        consumed++;
    }

    function pay(uint256 seed, uint128 amount) external {
        uint8 kind = seed & 1 == 0 ? OP_TRANSFER : OP_EXIT;
        (Payment memory payment, uint256 key) = _payment(seed, amount, kind);
        lastSigned = _signed(kind, 1, payment, key);
        _run(kind, lastSigned);
    }

    /// @dev The last signed payment once more, as what it is or as the other kind.
    function payAgain(bool asOther) external {
        if (lastSigned.length == 0) return;
        uint256 before = counts[OP_TRANSFER][Outcome.Done] + counts[OP_EXIT][Outcome.Done];
        _run(asOther ? OP_EXIT : OP_TRANSFER, lastSigned);
        _run(asOther ? OP_TRANSFER : OP_EXIT, lastSigned);
        // It may have failed for its balance before, and succeed now; it never succeeds twice.
        uint256 done = counts[OP_TRANSFER][Outcome.Done] + counts[OP_EXIT][Outcome.Done] - before;
        require(done <= 1, "one signature, two payments");
    }

    function force(uint256 seed, uint128 amount) external {
        uint8 kind = seed & 1 == 0 ? OP_TRANSFER : OP_EXIT;
        (Payment memory payment, ) = _payment(seed, amount, kind);
        address sender = seed & 0x30 == 0 ? _owner(seed >> 32) : book[payment.from].owner;
        bytes memory item = abi.encodePacked(sender, kind, TxCodec.encodePayment(payment));
        _run(OP_FORCED, bytes.concat(bytes8(uint64(1)), item));
        consumed++;
    }

    function payFees(uint256 seed) external {
        Payment memory payment;
        (payment.to, payment.toOwner) = _receiver(seed);
        _run(OP_FEE, bytes.concat(bytes8(uint64(1)), TxCodec.encodePayment(payment), new bytes(64)));
    }

    function garbage(uint8 opcode, bytes calldata inputs) external {
        if (opcode == OP_DEPOSIT || opcode == OP_FORCED) consumed++;
        _run(opcode, inputs);
    }

    function money() external view returns (uint256 inside, uint256 cameIn, uint256 wentOut) {
        return (_worth(), deposited, exited + unowned);
    }

    function current() external view returns (VMState memory) {
        return state;
    }

    function _run(uint8 opcode, bytes memory inputs) private {
        Outcome outcome = _execute(opcode, inputs);
        counts[opcode][outcome]++;
        for (uint256 i = 0; i < known.length; i++) {
            uint256 slot = known[i];
            Account memory account = book[slot];
            if (firstOwner[slot] == address(0)) firstOwner[slot] = account.owner;
            require(account.owner == firstOwner[slot], "a slot changed hands");
            require(account.nonce >= highestNonce[slot], "a nonce fell");
            highestNonce[slot] = account.nonce;
        }
        require(opcode != OP_NOOP || outcome == Outcome.Done, "noop");
    }

    function _payment(
        uint256 seed,
        uint128 amount,
        uint8 kind
    ) private view returns (Payment memory payment, uint256 key) {
        payment.from = uint32((seed >> 8) % SLOTS_IN_USE);
        Account memory payer = book[payment.from];
        payment.amount = seed & 0x1000 == 0 ? amount : amount % (payer.balance / 2 + 1);
        payment.fee = uint64((seed >> 16) % 1e6);
        payment.nonce = seed & 0xe000 == 0 ? payer.nonce + 1 : payer.nonce;
        payment.validUntilBatch = seed & 0x1e0000 == 0 ? 0 : 1;
        (payment.to, payment.toOwner) = _receiver(seed >> 96);
        if (kind == OP_EXIT) payment.to = seed & 0xe00000 == 0 ? SOURCE_DOMAIN : L1_DOMAIN;
        key = seed & 0xf000000 == 0 ? _key(seed >> 40) : _keyOf(payer.owner);
    }

    function _receiver(uint256 seed) private view returns (uint32 to, address toOwner) {
        to = seed & 0xf0 == 0 ? uint32(SLOTS + seed) : uint32(seed % SLOTS_IN_USE);
        bool isNew = to >= SLOTS || book[to].owner == address(0);
        toOwner = isNew || seed & 0xf00 == 0 ? _owner(seed >> 16) : book[to].owner;
    }

    function _keyOf(address owner) private pure returns (uint256 key) {
        for (uint256 i = 0; i < KEYS; i++) if (_owner(i) == owner) return _key(i);
        return _key(0);
    }
}
