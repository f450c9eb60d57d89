// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILedgerVM} from "../ledger/ILedgerVM.sol";
import {
    Account,
    OP_DEPOSIT,
    OP_EXIT,
    OP_FEE,
    OP_FORCED,
    OP_TRANSFER,
    Opening,
    Outcome,
    VMState
} from "../ledger/LedgerTypes.sol";
import {LedgerVM} from "../ledger/LedgerVM.sol";
import {Deposit, Payment, TxCodec} from "../ledger/TxCodec.sol";
import {LedgerBook} from "./LedgerBook.sol";
import {LedgerProbe} from "./LedgerProbe.sol";
import {vm} from "./Vm.sol";

contract LedgerVMTest is LedgerBook {
    function setUp() public {
        _open(new LedgerProbe(ROLLUP, SOURCE_DOMAIN));
    }

    /// @dev Totality: no bytes and no opcode make it revert. The lengths that mean something are tried on purpose.
    function testFuzz_anyBytesHaveAnAnswer(uint8 opcode, bytes memory inputs, uint256 seed) public {
        _randomState(seed);
        uint256[5] memory lengths = [inputs.length, 8, 68, 97, 140];
        bytes memory sized = new bytes(lengths[seed % 5]);
        for (uint256 i = 0; i < sized.length && inputs.length != 0; i++) sized[i] = inputs[i % inputs.length];
        _execute(seed & 0x100 == 0 ? opcode % 7 : opcode, sized);
    }

    /// @dev Totality and conservation where most instructions get far: few accounts, fields near their limits.
    function testFuzz_anyPaymentHasAnAnswer(uint256 seed, Payment memory payment, uint64 batch) public {
        _randomState(seed);
        payment = _likely(seed >> 16, payment, batch);
        uint8 kind = seed & 0x200 == 0 ? OP_TRANSFER : OP_EXIT;
        if (seed & 0x400 == 0) {
            _execute(kind, _signed(kind, batch, payment, _key(seed >> 160)));
        } else {
            address sender = seed & 0x1000 == 0 ? book[payment.from % SLOTS].owner : _owner(seed >> 160);
            bytes memory item = abi.encodePacked(sender, kind, TxCodec.encodePayment(payment));
            _execute(OP_FORCED, bytes.concat(bytes8(batch), item));
        }
    }

    function testFuzz_anyDepositAndAnyFeeHasAnAnswer(uint256 seed, Deposit memory item, Payment memory payment) public {
        _randomState(seed);
        if (seed & 0x2000 == 0) (item.to, item.toOwner) = _likelyReceiver(seed >> 100);
        _execute(OP_DEPOSIT, bytes.concat(bytes8(uint64(1)), TxCodec.encodeDeposit(item)));
        if (seed & 0x4000 == 0) (payment.to, payment.toOwner) = _likelyReceiver(seed >> 120);
        bytes memory unsigned = bytes.concat(bytes8(uint64(1)), TxCodec.encodePayment(payment), new bytes(64));
        _execute(OP_FEE, unsigned);
    }

    /// @dev A witness of another state than it says it is about is refused, whatever field was changed.
    function testFuzz_changedOpeningsRevert(uint256 seed, uint256 bit) public {
        _set(1, Account(_owner(1), 0, 1_000));
        _set(2, Account(_owner(2), 0, 1_000));
        Payment memory payment = Payment(1, 2, _owner(2), 10, 1, 0, 9);
        bytes memory inputs = _signed(OP_TRANSFER, 1, payment, _key(1));
        bytes memory preState = _witness(this.read(OP_TRANSFER, inputs));
        (, , uint256 gasUsed) = probe.executeInstruction(OP_TRANSFER, inputs, preState);
        require(gasUsed != 0, "the witness is good");

        (VMState memory fields, Opening memory from, Opening memory to, bytes32[] memory path) = abi.decode(
            preState,
            (VMState, Opening, Opening, bytes32[])
        );
        Opening memory changed = seed % 2 == 0 ? from : to;
        uint256 what = (seed >> 1) % 4;
        if (what == 0) changed.account.owner = address(uint160(changed.account.owner) ^ uint160(1 << (bit % 160)));
        if (what == 1) changed.account.nonce ^= uint64(1 << (bit % 64));
        if (what == 2) changed.account.balance ^= uint128(1 << (bit % 128));
        if (what == 3) changed.siblings[(seed >> 3) % 20] ^= bytes32(1 << (bit % 256));
        try probe.executeInstruction(OP_TRANSFER, inputs, abi.encode(fields, from, to, path)) {
            revert("an opening of another state");
        } catch {}
    }

    /// @dev The cost is the instruction's and the state's, not the witness': what is not read cannot move it.
    function testFuzz_unreadOpeningsAreFree(Opening memory junk, bytes32[] memory path) public view {
        bytes memory empty = abi.encode(state, junk, junk, path);
        (bytes32 root, bool isValid, uint256 gasUsed) = probe.executeInstruction(0, "", empty);
        require(root == probe.genesisRoot() && isValid && gasUsed == 200, "noop");
        bytes memory late = bytes.concat(bytes8(uint64(2)), TxCodec.encodePayment(_expired()), new bytes(64));
        (root, isValid, gasUsed) = probe.executeInstruction(OP_TRANSFER, late, empty);
        require(root == probe.genesisRoot() && !isValid && gasUsed == 200, "expired");
    }

    function test_aLedgerNeedsARollupAndANumber() public {
        vm.expectRevert(abi.encodeWithSelector(ILedgerVM.RollupMissing.selector));
        new LedgerVM(address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(ILedgerVM.SourceDomainIsL1.selector));
        new LedgerVM(ROLLUP, 0);
        require(probe.rollup() == ROLLUP && probe.sourceDomain() == SOURCE_DOMAIN, "views");
        require(probe.stateRoot(state) == probe.genesisRoot(), "root of a state");
    }

    /// @dev A chain that splits must not judge a step of before in two ways.
    function test_theChainIdIsTheDeploymentsForEver() public {
        bytes32 separator = probe.domainSeparator();
        vm.chainId(block.chainid + 1);
        require(probe.domainSeparator() == separator, "moved");
        require(new LedgerVM(ROLLUP, SOURCE_DOMAIN).domainSeparator() != separator, "the same on another chain");
        require(new LedgerVM(address(1), SOURCE_DOMAIN).domainSeparator() != separator, "the same for another rollup");
    }

    function test_paymentsReachTheirEnds() public {
        Deposit memory item = Deposit(ROLLUP, 100, 1, _owner(1));
        _execute(OP_DEPOSIT, bytes.concat(bytes8(uint64(1)), TxCodec.encodeDeposit(item)));
        Payment memory payment = Payment(1, 2, _owner(2), 30, 1, 0, 9);
        require(_execute(OP_TRANSFER, _signed(OP_TRANSFER, 1, payment, _key(1))) == Outcome.Done, "transfer");
        require(book[2].balance == 30 && book[1].balance == 69 && state.feePot == 1, "balances");
        payment.nonce = 1;
        require(_execute(OP_EXIT, _signed(OP_EXIT, 1, payment, _key(1))) == Outcome.Done, "exit");
        require(state.exitCount == 1 && exited == 30 && book[1].nonce == 2, "exit");
    }

    function _expired() private pure returns (Payment memory payment) {
        payment.validUntilBatch = 1;
    }

    function _randomState(uint256 seed) private {
        for (uint256 i = 0; i < 3; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            if (dice % 5 == 0) continue;
            uint128 balance = dice & 0x100 == 0 ? uint128(dice >> 128) : type(uint128).max - uint128((dice >> 128) % 9);
            uint64 nonce = dice & 0xe00 == 0 ? type(uint64).max : uint64((dice >> 16) % 3);
            _set(_slot(i), Account(dice & 0x7000 == 0 ? address(0) : _owner(dice >> 32), nonce, balance));
        }
        uint256 limits = uint256(keccak256(abi.encode(seed, "limits")));
        state.l1Cursor = limits % 4 == 0 ? type(uint64).max : 5;
        state.feePot = limits & 0x30 == 0 ? type(uint128).max - uint128((limits >> 8) % 4) : uint128(limits >> 192);
        if (limits & 0x300 == 0) state.exitCount = uint64(1 << 32) - uint64((limits >> 12) % 2);
        deposited = type(uint144).max; // whatever was before
    }

    function _likely(
        uint256 seed,
        Payment memory random,
        uint64 batch
    ) private view returns (Payment memory payment) {
        payment = random;
        if (seed % 8 != 0) payment.from = uint32(_slot(seed >> 3));
        Account memory payer = book[payment.from % SLOTS];
        if (seed & 0x70 != 0) (payment.to, payment.toOwner) = _likelyReceiver(seed >> 20);
        if (seed & 0x700 != 0) payment.fee = uint64((seed >> 40) % 9);
        if (seed & 0x7000 != 0 && payer.balance > 9) payment.amount = uint128((seed >> 48) % (payer.balance - 8));
        if (seed & 0x70000 != 0) payment.nonce = payer.nonce;
        if (payment.validUntilBatch < batch && seed & 0x700000 != 0) payment.validUntilBatch = batch;
    }

    function _likelyReceiver(uint256 seed) private view returns (uint32 to, address toOwner) {
        to = uint32(_slot(seed));
        toOwner = seed & 0x30 == 0 ? _owner(seed >> 8) : book[to].owner;
    }

    function _slot(uint256 i) private pure returns (uint256) {
        uint256[4] memory slots = [uint256(0), 1, 1 << 19, (1 << 20) - 1];
        return slots[i % 4];
    }
}
