// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {L1Entry} from "../zk/BatchData.sol";
import {SCALAR_FIELD} from "../zk/ScalarField.sol";

/// @dev One published record, taken apart.
struct Record {
    uint256 kind;
    uint256 from;
    uint256 to;
    uint256 amount;
    uint256 fee;
}

/// @dev One exit of a block.
struct Exit {
    uint256 slot;
    uint256 index;
    uint256 amount;
}

/// @title The data of a block, read one byte at a time
/// @author Proofmill
/// @dev Written from docs/data-encoding.md and not from BatchData, in plain Solidity, as its independent twin.
library SlowBatchData {
    function readUint(bytes memory data, uint256 start, uint256 width) internal pure returns (uint256 value) {
        for (uint256 i = 0; i < width; i++) value = value * 256 + uint256(uint8(data[start + i]));
    }

    function forcedExits(L1Entry[] memory entries) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < entries.length; i++) {
            if (entries[i].kind == 2) count++;
        }
    }

    function record(
        bytes memory txData,
        L1Entry[] memory entries,
        uint256 i
    ) internal pure returns (Record memory taken) {
        uint256 start = 4 + 1 + 8 * forcedExits(entries) + 21 * i;
        taken.kind = readUint(txData, start, 1);
        taken.from = readUint(txData, start + 1, 4);
        taken.to = readUint(txData, start + 5, 4);
        taken.amount = readUint(txData, start + 9, 8);
        taken.fee = readUint(txData, start + 17, 4);
    }

    /// @dev A deposit's amount comes from the queue, a forced exit's from the published bytes, in order.
    function entryAmount(
        bytes memory txData,
        L1Entry[] memory entries,
        uint256 i
    ) internal pure returns (uint256 amount) {
        if (entries[i].kind == 1) return entries[i].amountGwei;
        uint256 earlier;
        for (uint256 k = 0; k < i; k++) {
            if (entries[k].kind == 2) earlier++;
        }
        return readUint(txData, 5 + 8 * earlier, 8);
    }

    function elements(
        uint256 domain,
        uint256 blockNumber,
        L1Entry[] memory entries,
        bytes memory txData,
        uint256 nDeposits,
        uint256 nTx
    ) internal pure returns (uint256[] memory d) {
        d = new uint256[](3 + 4 * nDeposits + nTx);
        uint256 next;
        d[next++] = domain;
        d[next++] = blockNumber;
        d[next++] = readUint(txData, 0, 4);
        for (uint256 i = 0; i < nDeposits; i++) {
            if (i >= entries.length) {
                next += 4;
                continue;
            }
            L1Entry memory entry = entries[i];
            d[next++] = entry.kind * 2 ** 96 + entry.index * 2 ** 64 + entryAmount(txData, entries, i);
            d[next++] = entry.ax;
            d[next++] = entry.ay;
            d[next++] = uint256(uint160(entry.owner));
        }
        for (uint256 i = 0; i < nTx; i++) {
            Record memory taken = record(txData, entries, i);
            d[next++] =
                taken.kind *
                2 ** 160 +
                taken.from *
                2 ** 128 +
                taken.to *
                2 ** 96 +
                taken.amount *
                2 ** 32 +
                taken.fee;
        }
    }

    function digest(uint256[] memory d) internal pure returns (bytes32) {
        bytes memory words;
        for (uint256 i = 0; i < d.length; i++) words = bytes.concat(words, bytes32(d[i]));
        return keccak256(words);
    }

    function challenge(bytes32 circuitId, uint256[] memory d, uint256 h) internal pure returns (uint256) {
        bytes memory words = bytes.concat(keccak256("proofmill.challenge.v1"), circuitId, digest(d), bytes32(h));
        return uint256(keccak256(words)) % SCALAR_FIELD;
    }

    function evaluate(uint256[] memory d, uint256 z) internal pure returns (uint256 y) {
        uint256 power = 1;
        for (uint256 i = 0; i < d.length; i++) {
            y = addmod(y, mulmod(d[i], power, SCALAR_FIELD), SCALAR_FIELD);
            power = mulmod(power, z, SCALAR_FIELD);
        }
    }

    function exits(
        L1Entry[] memory entries,
        bytes memory txData,
        uint256 nDeposits,
        uint256 nTx
    ) internal pure returns (Exit[] memory list) {
        Exit[] memory found = new Exit[](nDeposits + nTx);
        uint256 count;
        for (uint256 i = 0; i < entries.length; i++) {
            uint256 amount = entryAmount(txData, entries, i);
            if (entries[i].kind == 2 && amount > 0) found[count++] = Exit(i, entries[i].index, amount);
        }
        for (uint256 i = 0; i < nTx; i++) {
            Record memory taken = record(txData, entries, i);
            if (taken.kind == 2 && taken.amount > 0) found[count++] = Exit(nDeposits + i, taken.to, taken.amount);
        }
        list = new Exit[](count);
        for (uint256 i = 0; i < count; i++) list[i] = found[i];
    }
}
