// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchData, L1Entry} from "../zk/BatchData.sol";
import {IZKRollup} from "../zk/IZKRollup.sol";
import {SCALAR_FIELD} from "../zk/ScalarField.sol";
import {Exit, SlowBatchData} from "./SlowBatchData.sol";
import {bound, vm} from "./Vm.sol";

contract BatchDataTest {
    struct Case {
        uint256 nDeposits;
        uint256 nTx;
        L1Entry[] entries;
        bytes txData;
    }

    function build(
        uint256 domain,
        uint256 blockNumber,
        L1Entry[] memory entries,
        bytes calldata txData,
        uint256 nDeposits,
        uint256 nTx
    ) external pure returns (uint256[] memory) {
        return BatchData.elements(domain, blockNumber, entries, txData, nDeposits, nTx);
    }

    function itemCount(bytes calldata txData) external pure returns (uint256) {
        return BatchData.itemCount(txData);
    }

    /// @dev Random sizes, entries and bytes; the length is exact.
    function _case(uint256 seed) internal pure returns (Case memory c) {
        c.nDeposits = bound(_draw(seed, 0), 1, 5);
        c.nTx = bound(_draw(seed, 1), 1, 9);
        c.entries = new L1Entry[](bound(_draw(seed, 2), 0, c.nDeposits));
        for (uint256 i = 0; i < c.entries.length; i++) {
            uint256 kind = bound(_draw(seed, 10 + i), 1, 2);
            c.entries[i] = L1Entry({
                kind: kind,
                index: uint32(_draw(seed, 20 + i)),
                amountGwei: kind == 1 ? uint64(_draw(seed, 30 + i)) : 0,
                ax: _draw(seed, 40 + i) % SCALAR_FIELD,
                ay: _draw(seed, 50 + i) % SCALAR_FIELD,
                owner: address(uint160(_draw(seed, 60 + i)))
            });
        }
        uint256 size = 5 + 8 * SlowBatchData.forcedExits(c.entries) + 21 * c.nTx;
        c.txData = new bytes(size);
        for (uint256 i = 0; i < size; i++) c.txData[i] = bytes1(uint8(_draw(seed, 1000 + i)));
        // Types 0 to 2 in half of the cases, so that exits occur.
        for (uint256 i = 0; seed % 2 == 0 && i < c.nTx; i++) {
            c.txData[size - 21 * (i + 1)] = bytes1(uint8(_draw(seed, 2000 + i) % 3));
        }
    }

    function testFuzz_elementsAreThoseOfTheSlowTwin(uint256 seed, uint256 domain, uint256 blockNumber) public view {
        Case memory c = _case(seed);
        uint256[] memory fast = this.build(domain, blockNumber, c.entries, c.txData, c.nDeposits, c.nTx);
        uint256[] memory slow = SlowBatchData.elements(
            domain,
            blockNumber,
            c.entries,
            c.txData,
            c.nDeposits,
            c.nTx
        );
        require(fast.length == slow.length, "length");
        for (uint256 i = 0; i < slow.length; i++) require(fast[i] == slow[i], "element");
    }

    function testFuzz_anyOtherLengthIsRefused(uint256 seed, uint256 length) public {
        Case memory c = _case(seed);
        uint256 exact = c.txData.length;
        length = bound(length, 0, 2 * exact);
        vm.assume(length != exact);
        bytes memory other = new bytes(length);
        for (uint256 i = 0; i < length && i < exact; i++) other[i] = c.txData[i];
        vm.expectRevert(abi.encodeWithSelector(IZKRollup.TxDataLength.selector, length, exact));
        this.build(1, 2, c.entries, other, c.nDeposits, c.nTx);
    }

    function testFuzz_itemCountIsTheFifthByte(bytes memory txData) public {
        bytes memory refusal = abi.encodeWithSelector(IZKRollup.TxDataLength.selector, txData.length, 5);
        if (txData.length < 5) vm.expectRevert(refusal);
        uint256 count = this.itemCount(txData);
        if (txData.length >= 5) require(count == uint8(txData[4]), "count");
    }

    function testFuzz_exitsAreThoseOfTheSlowTwin(uint256 seed) public view {
        Case memory c = _case(seed);
        uint256[] memory d = this.build(1, 2, c.entries, c.txData, c.nDeposits, c.nTx);
        Exit[] memory expected = SlowBatchData.exits(c.entries, c.txData, c.nDeposits, c.nTx);
        uint256 next;
        for (uint256 slot = 0; slot <= c.nDeposits + c.nTx; slot++) {
            // From every slot on, so that each beginning is tried.
            while (next < expected.length && expected[next].slot < slot) next++;
            (uint256 found, uint256 index, uint256 amount) = BatchData.nextExit(d, slot, c.nDeposits);
            if (next == expected.length) {
                require(found == c.nDeposits + c.nTx && index == 0 && amount == 0, "end");
                continue;
            }
            require(expected[next].slot == found, "slot");
            require(expected[next].index == index, "index");
            require(expected[next].amount == amount, "amount");
        }
    }

    function testFuzz_digestIsTheHashOfTheWords(uint256[] memory d) public pure {
        require(BatchData.digest(d) == SlowBatchData.digest(d), "digest");
    }

    function testFuzz_challengeIsTheSlowTwins(bytes32 circuitId, uint256[] memory d, uint256 h) public pure {
        uint256 z = BatchData.challenge(circuitId, d, h);
        require(z == SlowBatchData.challenge(circuitId, d, h) && z < SCALAR_FIELD, "challenge");
    }

    function testFuzz_everyInputMovesTheChallenge(
        bytes32 circuitId,
        uint256[] memory d,
        uint256 h,
        uint256 i
    ) public pure {
        vm.assume(d.length > 0);
        uint256 z = BatchData.challenge(circuitId, d, h);
        require(z != BatchData.challenge(circuitId ^ bytes32(uint256(1)), d, h), "circuit id");
        require(z != BatchData.challenge(circuitId, d, h ^ 1), "h");
        d[i % d.length] ^= 1;
        require(z != BatchData.challenge(circuitId, d, h), "element");
    }

    function testFuzz_evaluationIsThePowerSum(uint256[] memory d, uint256 z) public pure {
        z %= SCALAR_FIELD;
        uint256 y = BatchData.evaluate(d, z);
        require(y == SlowBatchData.evaluate(d, z) && y < SCALAR_FIELD, "evaluation");
    }

    function test_evaluationStartsAtTheLastCoefficient() public pure {
        uint256[] memory d = new uint256[](3);
        (d[0], d[1], d[2]) = (5, 7, 11);
        require(BatchData.evaluate(d, 100) == 110705, "order"); // reversed it would be 50711
    }

    function test_evaluationOfNothingIsZero() public pure {
        require(BatchData.evaluate(new uint256[](0), 3) == 0, "empty");
    }

    function _draw(uint256 seed, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i)));
    }
}
