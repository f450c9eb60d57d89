// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {L1_DOMAIN, Message, MessageLeaf} from "../bridge/MessageLeaf.sol";
import {
    Account,
    LedgerTypes,
    OP_DEPOSIT,
    OP_EXIT,
    OP_FEE,
    OP_FORCED,
    OP_TRANSFER,
    Opening,
    Outcome,
    VMState
} from "../ledger/LedgerTypes.sol";
import {Deposit, EXIT_TYPEHASH, Payment, TRANSFER_TYPEHASH, TxCodec} from "../ledger/TxCodec.sol";
import {LedgerProbe} from "./LedgerProbe.sol";
import {SparseTree} from "./SparseTree.sol";
import {vm} from "./Vm.sol";

/// @title A ledger that knows its accounts, beside the VM that knows two roots
/// @author Proofmill
/// @dev Makes the witness of every instruction, follows what the VM says came of it in plain bookkeeping, and requires
/// that this leads to the VM's own roots and that no wei appeared or vanished.
abstract contract LedgerBook {
    using SparseTree for SparseTree.Tree;

    /// @dev An instruction, read apart. `kind` is 0 for what moves nothing.
    struct Meaning {
        bool isQueued;
        uint8 kind;
        Payment payment;
        Deposit deposit;
    }

    address public constant ROLLUP = address(0xa0110);
    uint32 public constant SOURCE_DOMAIN = 9;
    uint256 internal constant SLOTS = 1 << 20;
    uint256 internal constant KEYS = 4;

    LedgerProbe internal probe;
    VMState internal state;
    mapping(uint256 slot => Account account) internal book;
    uint256[] internal known; // slots that were ever written
    mapping(uint256 slot => bool written) private isKnown;

    uint256 internal deposited;
    uint256 internal exited;
    uint256 internal unowned; // deposits that came when the exit tree was full

    SparseTree.Tree private accounts;
    SparseTree.Tree private exits;

    function _open(LedgerProbe probe_) internal {
        probe = probe_;
        accounts.init(20);
        exits.init(32);
        state.accountsRoot = accounts.root();
        state.exitRoot = exits.root();
        require(probe.genesisRoot() == LedgerTypes.stateRoot(state), "genesis");
    }

    /// @dev What an instruction says, by the layouts in TxCodec.
    function read(uint8 opcode, bytes calldata inputs) external pure returns (Meaning memory meaning) {
        meaning.isQueued = opcode == OP_DEPOSIT || opcode == OP_FORCED;
        bool isRecord = opcode == OP_TRANSFER || opcode == OP_EXIT || opcode == OP_FEE;
        if (opcode == OP_DEPOSIT && inputs.length == 68) {
            meaning.kind = OP_DEPOSIT;
            meaning.deposit = TxCodec.decodeDeposit(inputs[8:]);
        } else if (isRecord && inputs.length == 140) {
            meaning.kind = opcode;
            meaning.payment = TxCodec.decodePayment(inputs[8:]);
        } else if (opcode == OP_FORCED && inputs.length == 97) {
            meaning.kind = uint8(inputs[28]);
            meaning.payment = TxCodec.decodePayment(inputs[29:]);
            if (meaning.kind != OP_TRANSFER && meaning.kind != OP_EXIT) meaning.kind = 0;
        }
    }

    function _key(uint256 i) internal pure returns (uint256 privateKey) {
        return 0xa11ce + (i % KEYS);
    }

    function _owner(uint256 i) internal pure returns (address account) {
        return vm.addr(_key(i));
    }

    /// @dev A record's inputs, signed by the key; see TxCodec.
    function _signed(
        uint8 kind,
        uint64 batch,
        Payment memory payment,
        uint256 privateKey
    ) internal view returns (bytes memory) {
        bytes32 typeHash = kind == OP_TRANSFER ? TRANSFER_TYPEHASH : EXIT_TYPEHASH;
        bytes32 structHash = TxCodec.structHash(typeHash, payment);
        bytes32 digest = MessageHashUtils.toTypedDataHash(probe.domainSeparator(), structHash);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, digest);
        bytes32 vs = bytes32((uint256(v - 27) << 255) | uint256(s));
        return bytes.concat(bytes8(batch), TxCodec.encodePayment(payment), r, vs);
    }

    function _set(uint256 slot, Account memory account) internal {
        if (!isKnown[slot]) known.push(slot);
        isKnown[slot] = true;
        book[slot] = account;
        accounts.set(slot, LedgerTypes.leaf(account));
        state.accountsRoot = accounts.root();
    }

    /// @dev All money inside.
    function _worth() internal view returns (uint256 sum) {
        sum = state.feePot;
        for (uint256 i = 0; i < known.length; i++) sum += book[known[i]].balance;
    }

    /// @dev Executes and checks one instruction.
    function _execute(uint8 opcode, bytes memory inputs) internal returns (Outcome outcome) {
        Meaning memory meaning = this.read(opcode, inputs);
        bytes memory preState = _witness(meaning);
        bytes32 preRoot = LedgerTypes.stateRoot(state);
        require(probe.preStateRoot(preState) == preRoot, "pre-root");
        uint256 worthBefore = _worth();
        uint256 outsideBefore = deposited - exited - unowned;

        VMState memory post;
        (post, outcome) = probe.explain(opcode, inputs, preState);
        (bytes32 postRoot, bool isValid, uint256 gasUsed) = probe.executeInstruction(opcode, inputs, preState);
        require(postRoot == LedgerTypes.stateRoot(post), "two answers");
        require(isValid == (outcome == Outcome.Done) && gasUsed >= 200, "answer");
        _follow(meaning, outcome);
        require(postRoot == LedgerTypes.stateRoot(state), "another state than the book's");
        if (!isValid && !meaning.isQueued) require(postRoot == preRoot, "a bad record changed something");
        require(int256(_worth()) - int256(worthBefore) == _change(outsideBefore), "conservation");
    }

    function _witness(Meaning memory meaning) internal returns (bytes memory preState) {
        Payment memory payment = meaning.payment;
        Opening memory debited = _opening(payment.from);
        bool isPaid = meaning.kind == OP_TRANSFER && _canPay(payment);
        Account memory before = book[payment.from];
        if (isPaid) {
            Account memory charged = Account(before.owner, before.nonce + 1, before.balance);
            charged.balance -= payment.amount + payment.fee;
            accounts.set(payment.from, LedgerTypes.leaf(charged));
            book[payment.from] = charged;
        }
        Opening memory credited = _opening(meaning.kind == OP_DEPOSIT ? meaning.deposit.to : payment.to);
        if (isPaid) {
            accounts.set(payment.from, LedgerTypes.leaf(before));
            book[payment.from] = before;
        }
        bytes32[] memory exitPath;
        if (state.exitCount < 1 << 32) exitPath = exits.siblings(state.exitCount);
        return abi.encode(state, debited, credited, exitPath);
    }

    function _opening(uint256 slot) internal view returns (Opening memory opening) {
        if (slot >= SLOTS) return opening;
        return Opening(book[slot], accounts.siblings(slot));
    }

    function _append(address sender, uint32 destDomain, address target, uint128 amount) internal {
        Message memory message = Message(sender, target, "", amount, 0, state.exitCount);
        exits.set(state.exitCount, MessageLeaf.hash(SOURCE_DOMAIN, destDomain, ROLLUP, message));
        state.exitRoot = exits.root();
        state.exitCount++;
        exited += amount;
    }

    /// @dev The books, as the outcome says they changed.
    function _follow(Meaning memory meaning, Outcome outcome) private {
        unchecked {
            if (meaning.isQueued) state.l1Cursor++;
        }
        Payment memory payment = meaning.payment;
        Deposit memory item = meaning.deposit;
        if (meaning.kind == OP_DEPOSIT) {
            deposited += item.amount;
            if (outcome == Outcome.Done) _receive(item.to, item.toOwner, item.amount);
            else if (outcome == Outcome.ExitTreeFull) unowned += item.amount;
            else _append(item.depositor, L1_DOMAIN, item.depositor, item.amount);
        } else if (outcome == Outcome.Done && meaning.kind == OP_FEE) {
            uint128 pot = state.feePot;
            state.feePot = 0;
            _receive(payment.to, payment.toOwner, pot);
        } else if (outcome == Outcome.Done && meaning.kind != 0) {
            Account memory payer = book[payment.from];
            payer.nonce++;
            payer.balance -= payment.amount + payment.fee;
            _set(payment.from, payer);
            state.feePot += payment.fee;
            if (meaning.kind == OP_TRANSFER) _receive(payment.to, payment.toOwner, payment.amount);
            else _append(payer.owner, payment.to, payment.toOwner, payment.amount);
        }
    }

    function _receive(uint256 slot, address owner, uint128 amount) private {
        Account memory receiver = book[slot];
        require(LedgerTypes.isEmpty(receiver) || receiver.owner == owner, "credited to another");
        receiver.owner = owner;
        receiver.balance += amount;
        _set(slot, receiver);
    }

    /// @dev What came in less what went out, since then.
    function _change(uint256 outsideBefore) private view returns (int256) {
        return int256(deposited - exited - unowned) - int256(outsideBefore);
    }

    function _canPay(Payment memory payment) private view returns (bool) {
        if (payment.from >= SLOTS) return false;
        Account memory payer = book[payment.from];
        return payer.nonce < type(uint64).max && payer.balance >= uint256(payment.amount) + payment.fee;
    }
}
