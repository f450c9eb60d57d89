// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {L1_DOMAIN, Message, MessageLeaf} from "../bridge/MessageLeaf.sol";
import {ILedgerVM} from "./ILedgerVM.sol";
import {
    ACCOUNT_DEPTH,
    Account,
    EXIT_DEPTH,
    LedgerTypes,
    OP_DEPOSIT,
    OP_EXIT,
    OP_FEE,
    OP_FORCED,
    OP_NOOP,
    OP_TRANSFER,
    Opening,
    Outcome,
    VMState
} from "./LedgerTypes.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {Deposit, EXIT_TYPEHASH, Payment, TRANSFER_TYPEHASH, TxCodec} from "./TxCodec.sol";

/// @title Ledger of accounts as a virtual machine
/// @author Proofmill
/// @notice Six opcodes over two trees that are known by their roots. operator/ledger/executor.ts is its twin, and
/// tests hold the two together.
/// @dev Why nobody can steer a verdict: opcode and inputs are the inbox's, the state is named by its root, and every
/// field that a decision reads comes out of an opening that was checked against that root before the decision. The
/// order of checks is fixed, so which openings are read follows from state and instruction as well. What is left to the
/// caller is to be believed or to revert.
///
/// Every state that any instruction can lead to has an opening for every slot, so there is always a witness that
/// does not revert: who wants an answer gets one.
contract LedgerVM is ILedgerVM {
    /// @dev A witness, unpacked. `state` is changed at the end of an instruction or not at all.
    struct Machine {
        VMState state;
        Opening debited;
        Opening credited;
        bytes32[] exitSiblings;
        uint256 gasUsed;
    }

    /// @dev A payment and who vouches for it: an L1 sender through the queue, or a signature.
    struct Order {
        uint8 kind;
        bool isForced;
        address sender;
        bytes32 r;
        bytes32 vs;
        uint64 batch;
        Payment payment;
    }

    uint256 private constant ACCOUNTS = 1 << ACCOUNT_DEPTH;
    uint256 private constant EXITS = 1 << EXIT_DEPTH;

    // The VM's own units: what keccak256 and ecrecover cost in the EVM, for what an honest node computes at least.
    uint256 private constant COST_BASE = 200; // reading the instruction, hashing the state
    uint256 private constant COST_SIGNATURE = 3_000; // ecrecover
    uint256 private constant COST_ACCOUNT_PATH = 894; // 20 nodes of 42, a leaf of 54
    uint256 private constant COST_EXIT_PATH = 1_344; // 32 nodes of 42
    uint256 private constant COST_MESSAGE = 96; // a leaf of eleven words

    address private immutable ROLLUP;
    uint32 private immutable SOURCE_DOMAIN;
    bytes32 private immutable DOMAIN_SEPARATOR;

    /// @notice The ledger of one rollup.
    /// @dev The chain id is the deployment's for ever: were it read anew, a chain that splits would judge one and the
    /// same step differently before and after.
    /// @param rollup_ The rollup, perhaps not deployed yet.
    /// @param sourceDomain_ Its number in messages, not 0.
    constructor(address rollup_, uint32 sourceDomain_) {
        if (rollup_ == address(0)) revert RollupMissing();
        if (sourceDomain_ == L1_DOMAIN) revert SourceDomainIsL1();
        ROLLUP = rollup_;
        SOURCE_DOMAIN = sourceDomain_;
        DOMAIN_SEPARATOR = TxCodec.domainSeparator(rollup_);
    }

    /// @inheritdoc ILedgerVM
    function executeInstruction(
        uint8 opcode,
        bytes calldata inputs,
        bytes calldata preState
    ) external view returns (bytes32 postState, bool isValid, uint256 gasUsed) {
        (VMState memory state, Outcome outcome, uint256 cost) = _execute(opcode, inputs, preState);
        return (LedgerTypes.stateRoot(state), outcome == Outcome.Done, cost);
    }

    /// @inheritdoc ILedgerVM
    function domainSeparator() external view returns (bytes32 separator) {
        return DOMAIN_SEPARATOR;
    }

    /// @inheritdoc ILedgerVM
    function rollup() external view returns (address account) {
        return ROLLUP;
    }

    /// @inheritdoc ILedgerVM
    function sourceDomain() external view returns (uint32 domain) {
        return SOURCE_DOMAIN;
    }

    /// @inheritdoc ILedgerVM
    function genesisRoot() external pure returns (bytes32 root) {
        VMState memory state;
        state.accountsRoot = MerkleTree.emptyRoot(ACCOUNT_DEPTH);
        state.exitRoot = MerkleTree.emptyRoot(EXIT_DEPTH);
        return LedgerTypes.stateRoot(state);
    }

    /// @inheritdoc ILedgerVM
    function preStateRoot(bytes calldata preState) external pure returns (bytes32 root) {
        return LedgerTypes.stateRoot(_load(preState).state);
    }

    /// @inheritdoc ILedgerVM
    function stateRoot(VMState calldata state) external pure returns (bytes32 root) {
        return LedgerTypes.stateRoot(state);
    }

    /// @dev The whole answer, with the state itself and the reason.
    function _execute(
        uint8 opcode,
        bytes calldata inputs,
        bytes calldata preState
    ) internal view returns (VMState memory state, Outcome outcome, uint256 gasUsed) {
        Machine memory machine = _load(preState);
        machine.gasUsed = COST_BASE;
        outcome = _run(machine, opcode, inputs);
        return (machine.state, outcome, machine.gasUsed);
    }

    /// @dev A forced payment's nonce is not read. The queue executes an entry once, so nothing can be replayed; and a
    /// sequencer that holds back a signed payment could void a forced one by putting the signed one first.
    function _authorize(
        Machine memory machine,
        Order memory order,
        Account memory payer
    ) internal view virtual returns (Outcome outcome) {
        // The zero address is what a failed recovery returns.
        if (payer.owner == address(0)) return Outcome.AccountEmpty;
        if (order.isForced) return order.sender == payer.owner ? Outcome.Done : Outcome.NotAuthorized;
        machine.gasUsed += COST_SIGNATURE;
        bytes32 typeHash = order.kind == OP_TRANSFER ? TRANSFER_TYPEHASH : EXIT_TYPEHASH;
        bytes32 structHash = TxCodec.structHash(typeHash, order.payment);
        bytes32 digest = MessageHashUtils.toTypedDataHash(DOMAIN_SEPARATOR, structHash);
        (address signer, , ) = ECDSA.tryRecover(digest, order.r, order.vs);
        if (signer != payer.owner) return Outcome.NotAuthorized;
        return order.payment.nonce == payer.nonce ? Outcome.Done : Outcome.NonceMismatch;
    }

    /// @dev From here on the opening's fields are the tree's.
    function _open(
        Machine memory machine,
        bytes32 root,
        uint256 index,
        Opening memory opening
    ) internal pure virtual {
        machine.gasUsed += COST_ACCOUNT_PATH;
        MerkleTree.verify(root, ACCOUNT_DEPTH, index, LedgerTypes.leaf(opening.account), opening.siblings);
    }

    function _run(Machine memory machine, uint8 opcode, bytes calldata inputs) private view returns (Outcome outcome) {
        if (opcode == OP_NOOP) return Outcome.Done;
        if (opcode == OP_DEPOSIT) return _deposit(machine, inputs);
        if (opcode == OP_TRANSFER || opcode == OP_EXIT) return _signed(machine, opcode, inputs);
        if (opcode == OP_FORCED) return _forced(machine, inputs);
        if (opcode == OP_FEE) return _payFees(machine, inputs);
        return Outcome.UnknownOpcode;
    }

    /// @dev The money is in escrow on L1 already, so it must arrive somewhere: what no account takes goes back to the
    /// depositor. Only a full exit tree keeps it, after 2^32 messages: then it stays in escrow and nobody owns it.
    function _deposit(Machine memory machine, bytes calldata inputs) private view returns (Outcome outcome) {
        _consumeEntry(machine);
        if (inputs.length != TxCodec.BATCH_BYTES + TxCodec.DEPOSIT_BYTES) return Outcome.Malformed;
        Deposit memory item = TxCodec.decodeDeposit(inputs[TxCodec.BATCH_BYTES:]);
        bytes32 accountsRoot;
        (outcome, accountsRoot) = _credit(machine, machine.state.accountsRoot, item.to, item.toOwner, item.amount);
        if (outcome == Outcome.Done) {
            machine.state.accountsRoot = accountsRoot;
            return Outcome.Done;
        }
        Outcome refund = _appendExit(machine, item.depositor, L1_DOMAIN, item.depositor, item.amount);
        return refund == Outcome.Done ? outcome : refund;
    }

    function _signed(Machine memory machine, uint8 kind, bytes calldata inputs) private view returns (Outcome outcome) {
        if (inputs.length != TxCodec.BATCH_BYTES + TxCodec.RECORD_BYTES - 1) return Outcome.Malformed;
        bytes calldata body = inputs[TxCodec.BATCH_BYTES:];
        Order memory order;
        order.kind = kind;
        order.batch = _batch(inputs);
        order.payment = TxCodec.decodePayment(body);
        order.r = bytes32(body[TxCodec.PAYMENT_BYTES:TxCodec.PAYMENT_BYTES + 32]);
        order.vs = bytes32(body[TxCodec.PAYMENT_BYTES + 32:TxCodec.PAYMENT_BYTES + 64]);
        return _pay(machine, order);
    }

    function _forced(Machine memory machine, bytes calldata inputs) private view returns (Outcome outcome) {
        _consumeEntry(machine);
        if (inputs.length != TxCodec.BATCH_BYTES + TxCodec.FORCED_BYTES) return Outcome.Malformed;
        bytes calldata item = inputs[TxCodec.BATCH_BYTES:];
        Order memory order;
        order.kind = uint8(item[20]);
        if (order.kind != OP_TRANSFER && order.kind != OP_EXIT) return Outcome.Malformed;
        order.isForced = true;
        order.sender = address(bytes20(item[:20]));
        order.batch = _batch(inputs);
        order.payment = TxCodec.decodePayment(item[21:]);
        return _pay(machine, order);
    }

    /// @dev The receiver is opened in the tree that already has the payer's new leaf: for a payment to oneself, and
    /// for the siblings that two neighbours share.
    function _pay(Machine memory machine, Order memory order) private view returns (Outcome outcome) {
        Payment memory payment = order.payment;
        bytes32 accountsRoot;
        (outcome, accountsRoot) = _debit(machine, order);
        if (outcome != Outcome.Done) return outcome;
        if (order.kind == OP_TRANSFER) {
            (outcome, accountsRoot) = _credit(machine, accountsRoot, payment.to, payment.toOwner, payment.amount);
        } else if (payment.toOwner == address(0)) {
            return Outcome.ReceiverZero;
        } else if (payment.to == SOURCE_DOMAIN) {
            return Outcome.DestinationIsSource;
        } else {
            address owner = machine.debited.account.owner;
            outcome = _appendExit(machine, owner, payment.to, payment.toOwner, payment.amount);
        }
        if (outcome != Outcome.Done) return outcome;
        machine.state.accountsRoot = accountsRoot;
        machine.state.feePot += payment.fee;
    }

    /// @dev Tree after the payer was charged. The state itself is left alone: the receiver may still refuse.
    function _debit(
        Machine memory machine,
        Order memory order
    ) private view returns (Outcome outcome, bytes32 accountsRoot) {
        Payment memory payment = order.payment;
        if (order.batch > payment.validUntilBatch) return (Outcome.Expired, 0);
        if (payment.from >= ACCOUNTS) return (Outcome.IndexOutOfRange, 0);
        _open(machine, machine.state.accountsRoot, payment.from, machine.debited);
        Account memory payer = machine.debited.account;
        outcome = _authorize(machine, order, payer);
        if (outcome != Outcome.Done) return (outcome, 0);
        if (payer.nonce == type(uint64).max) return (Outcome.NonceExhausted, 0);
        uint256 charge = uint256(payment.amount) + payment.fee;
        if (payer.balance < charge) return (Outcome.BalanceTooLow, 0);
        if (uint256(machine.state.feePot) + payment.fee > type(uint128).max) return (Outcome.FeePotFull, 0);
        // The payer's `owner` is read once more, for the exit message: it is not among what changes.
        ++payer.nonce;
        payer.balance -= uint128(charge);
        return (Outcome.Done, _write(machine, payment.from, machine.debited));
    }

    function _appendExit(
        Machine memory machine,
        address sender,
        uint32 destDomain,
        address target,
        uint128 amount
    ) private view returns (Outcome outcome) {
        VMState memory state = machine.state;
        uint64 slot = state.exitCount;
        if (slot >= EXITS) return Outcome.ExitTreeFull;
        machine.gasUsed += COST_MESSAGE + 2 * COST_EXIT_PATH;
        Message memory message = Message({
            sender: sender,
            target: target,
            data: "",
            value: amount,
            gasLimit: 0,
            nonce: slot
        });
        bytes32 leaf = MessageLeaf.hash(SOURCE_DOMAIN, destDomain, ROLLUP, message);
        state.exitRoot = MerkleTree.append(state.exitRoot, EXIT_DEPTH, slot, leaf, machine.exitSiblings);
        state.exitCount = slot + 1;
    }

    function _payFees(Machine memory machine, bytes calldata inputs) private pure returns (Outcome outcome) {
        if (inputs.length != TxCodec.BATCH_BYTES + TxCodec.RECORD_BYTES - 1) return Outcome.Malformed;
        Payment memory payment = TxCodec.decodePayment(inputs[TxCodec.BATCH_BYTES:]);
        VMState memory state = machine.state;
        bytes32 accountsRoot;
        (outcome, accountsRoot) = _credit(machine, state.accountsRoot, payment.to, payment.toOwner, state.feePot);
        if (outcome != Outcome.Done) return outcome;
        state.accountsRoot = accountsRoot;
        state.feePot = 0;
    }

    /// @dev The one credit rule: nobody's slot becomes the owner's, the owner's slot grows, another's slot refuses.
    function _credit(
        Machine memory machine,
        bytes32 root,
        uint32 index,
        address owner,
        uint128 amount
    ) private pure returns (Outcome outcome, bytes32 accountsRoot) {
        if (index >= ACCOUNTS) return (Outcome.IndexOutOfRange, 0);
        if (owner == address(0)) return (Outcome.ReceiverZero, 0);
        _open(machine, root, index, machine.credited);
        Account memory receiver = machine.credited.account;
        if (LedgerTypes.isEmpty(receiver)) receiver.owner = owner;
        if (receiver.owner != owner) return (Outcome.OwnerMismatch, 0);
        if (uint256(receiver.balance) + amount > type(uint128).max) return (Outcome.BalanceOverflow, 0);
        receiver.balance += amount;
        return (Outcome.Done, _write(machine, index, machine.credited));
    }

    /// @dev The tree with the changed account, on the path that `_open` has checked.
    function _write(
        Machine memory machine,
        uint256 index,
        Opening memory opening
    ) private pure returns (bytes32 accountsRoot) {
        machine.gasUsed += COST_ACCOUNT_PATH;
        return MerkleTree.climb(LedgerTypes.leaf(opening.account), index, opening.siblings);
    }

    /// @dev An entry counts as executed whatever comes of it. Unchecked for totality: the queue's own counter has the
    /// same width and never gets there.
    function _consumeEntry(Machine memory machine) private pure {
        unchecked {
            ++machine.state.l1Cursor;
        }
    }

    function _load(bytes calldata preState) private pure returns (Machine memory machine) {
        (machine.state, machine.debited, machine.credited, machine.exitSiblings) = abi.decode(
            preState,
            (VMState, Opening, Opening, bytes32[])
        );
    }

    function _batch(bytes calldata inputs) private pure returns (uint64 batch) {
        return uint64(bytes8(inputs[:TxCodec.BATCH_BYTES]));
    }
}
