// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IZKRollup} from "./IZKRollup.sol";
import {SCALAR_FIELD} from "./ScalarField.sol";

/// @dev keccak256("proofmill.challenge.v1"): separates challenges from every other use of keccak256.
bytes32 constant CHALLENGE_TAG = keccak256("proofmill.challenge.v1");

/// @notice An entry of the L1 queue as a block sees it.
/// @param kind 1 deposit, 2 forced full exit.
/// @param index The account.
/// @param amountGwei What is deposited; for a forced exit 0, the published bytes carry the amount.
/// @param ax x of the account's key.
/// @param ay y of the account's key.
/// @param owner L1 address of the account.
struct L1Entry {
    uint256 kind;
    uint256 index;
    uint256 amountGwei;
    uint256 ax;
    uint256 ay;
    address owner;
}

/// @title The data of a block as the circuit sees it
/// @author Proofmill
/// @notice Builds d in memory and evaluates it at a point that commits to exactly that array; docs/data-encoding.md
/// describes every byte. What proves that circuit and chain mean the same d: h fixes the circuit's d, the digest fixes
/// the chain's, both before the challenge z is known; two different ones then agree in y for at most n - 1 of r points.
/// @dev The three loops over d are assembly: for 43 transfers that makes 11 thousand gas out of 46 (30 with unchecked
/// arithmetic), 825 less for each transfer. contracts/test/SlowBatchData.sol is an independent twin in plain Solidity;
/// fuzz tests and vectors hold them together.
library BatchData {
    /// @dev feeIndex u32, l1Count u8.
    uint256 private constant HEADER_BYTES = 5;
    /// @dev The amount of a forced exit, u64.
    uint256 private constant AMOUNT_BYTES = 8;
    /// @dev type u8, from u32, to u32, amount u64, fee u32.
    uint256 private constant RECORD_BYTES = 21;
    /// @dev domain, blockNumber, feeIndex.
    uint256 private constant HEADER_ELEMENTS = 3;
    /// @dev kind | index | amount in one element, ax, ay, owner.
    uint256 private constant ENTRY_ELEMENTS = 4;
    /// @dev Kind of the entry that empties an account.
    uint256 private constant FORCED_EXIT = 2;
    /// @dev Type of the record that moves money to L1.
    uint256 private constant EXIT = 2;

    /// @notice Queue entries that a block says it consumes.
    /// @param txData Published bytes.
    /// @return count l1Count of the header.
    function itemCount(bytes calldata txData) internal pure returns (uint256 count) {
        if (txData.length < HEADER_BYTES) revert IZKRollup.TxDataLength(txData.length, HEADER_BYTES);
        return uint8(txData[4]);
    }

    /// @notice Build d.
    /// @param domain First element.
    /// @param blockNumber Second element.
    /// @param entries What the block consumes from the queue, at most `nDeposits`.
    /// @param txData Published bytes; their length must be exact.
    /// @param nDeposits L1 slots of the circuit.
    /// @param nTx Transfer slots of the circuit.
    /// @return d Header, four elements for each L1 slot, one for each transfer slot; each < SCALAR_FIELD.
    function elements(
        uint256 domain,
        uint256 blockNumber,
        L1Entry[] memory entries,
        bytes calldata txData,
        uint256 nDeposits,
        uint256 nTx
    ) internal pure returns (uint256[] memory d) {
        uint256 recordsAt = HEADER_BYTES;
        for (uint256 i = 0; i < entries.length; ++i) {
            if (entries[i].kind == FORCED_EXIT) recordsAt += AMOUNT_BYTES;
        }
        uint256 expected = recordsAt + nTx * RECORD_BYTES;
        if (txData.length != expected) revert IZKRollup.TxDataLength(txData.length, expected);

        d = new uint256[](HEADER_ELEMENTS + nDeposits * ENTRY_ELEMENTS + nTx);
        d[0] = domain;
        d[1] = blockNumber;
        d[2] = uint32(bytes4(txData[:4]));
        _putEntries(d, entries, txData);
        _putRecords(d, txData[recordsAt:], nTx);
    }

    /// @notice The first exit at or after a slot; L1 slots come before transfers, and amounts of 0 are no exits.
    /// @param d The data.
    /// @param slot Where to begin.
    /// @param nDeposits L1 slots of the circuit.
    /// @return found Its slot; the number of slots if there is none.
    /// @return index The account that is paid.
    /// @return amountGwei What it is paid.
    function nextExit(
        uint256[] memory d,
        uint256 slot,
        uint256 nDeposits
    ) internal pure returns (uint256 found, uint256 index, uint256 amountGwei) {
        found = slot;
        // Unchecked, since this runs over every record of every block; no number here can pass that of d's elements.
        unchecked {
            for (; found < nDeposits; ++found) {
                uint256 entry = d[HEADER_ELEMENTS + found * ENTRY_ELEMENTS];
                amountGwei = uint64(entry);
                if (entry >> 96 == FORCED_EXIT && amountGwei != 0) return (found, uint32(entry >> 64), amountGwei);
            }
            // An L1 slot takes more elements than a transfer slot: so far behind its slot stands a record.
            uint256 ahead = HEADER_ELEMENTS + nDeposits * (ENTRY_ELEMENTS - 1);
            uint256 slots = d.length - ahead;
            for (; found < slots; ++found) {
                uint256 record = d[found + ahead];
                amountGwei = uint64(record >> 32);
                if (record >> 160 == EXIT && amountGwei != 0) return (found, uint32(record >> 96), amountGwei);
            }
        }
        return (found, 0, 0);
    }

    /// @notice Hash of d as a sequence of 32-byte words.
    /// @param d The data.
    /// @return hash keccak256 over the words, without the array's length.
    function digest(uint256[] memory d) internal pure returns (bytes32 hash) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            hash := keccak256(add(d, 32), shl(5, mload(d)))
        }
    }

    /// @notice The point at which d is evaluated.
    /// @param circuitId Which circuit, in which version and size.
    /// @param d The data.
    /// @param h The circuit's own commitment to its data.
    /// @return z Hash of all of them, mod r.
    function challenge(bytes32 circuitId, uint256[] memory d, uint256 h) internal pure returns (uint256 z) {
        return uint256(keccak256(abi.encode(CHALLENGE_TAG, circuitId, digest(d), h))) % SCALAR_FIELD;
    }

    /// @notice The polynomial with coefficients d at z, by Horner's rule from the last coefficient.
    /// @param d The data.
    /// @param z The point.
    /// @return y The sum of d[i] * z^i mod r.
    function evaluate(uint256[] memory d, uint256 z) internal pure returns (uint256 y) {
        uint256 r = SCALAR_FIELD; // assembly reads no file-level constant
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // element i lies at d + 32 * (i + 1): from the last one down to, not including, the length at d
            for {
                let element := add(d, shl(5, mload(d)))
            } gt(element, d) {
                element := sub(element, 32)
            } {
                y := addmod(mulmod(y, z, r), mload(element), r)
            }
        }
    }

    function _putEntries(uint256[] memory d, L1Entry[] memory entries, bytes calldata txData) private pure {
        uint256 amountAt = HEADER_BYTES;
        for (uint256 i = 0; i < entries.length; ++i) {
            L1Entry memory entry = entries[i];
            uint256 amountGwei = entry.amountGwei;
            if (entry.kind == FORCED_EXIT) {
                amountGwei = uint64(bytes8(txData[amountAt:amountAt + AMOUNT_BYTES]));
                amountAt += AMOUNT_BYTES;
            }
            uint256 base = HEADER_ELEMENTS + i * ENTRY_ELEMENTS;
            d[base] = (entry.kind << 96) | (entry.index << 64) | amountGwei;
            d[base + 1] = entry.ax;
            d[base + 2] = entry.ay;
            d[base + 3] = uint160(entry.owner);
        }
    }

    /// @dev Fills the end of d, one element for each record. The caller has checked that `records` is exactly as long
    /// as these elements need.
    function _putRecords(uint256[] memory d, bytes calldata records, uint256 nTx) private pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let end := add(add(d, 32), shl(5, mload(d)))
            let from := records.offset
            for {
                let to := sub(end, shl(5, nTx))
            } lt(to, end) {
                to := add(to, 32)
                from := add(from, 21) // RECORD_BYTES
            } {
                mstore(to, shr(88, calldataload(from))) // the word's first 21 bytes: 256 - 168 bits go
            }
        }
    }
}
