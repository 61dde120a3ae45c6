// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @dev A usage row, right-aligned: licenseId 32 | tier 8 | metric 8 | quantity 64.
type Row is uint256;
/// @dev A credit, right-aligned: splitId 32 | amount 64.
type Credit is uint256;

/// @dev Bytes of one packed row and of one packed credit.
uint256 constant ROW_BYTES = 14;
uint256 constant CREDIT_BYTES = 12;

using Rows for Row global;
using Rows for Credit global;

/// @title Packed usage rows and credits
/// @notice Rows travel as 14 bytes each and credits as 12, so that a thousand of them fit one transaction.
/// The reads use assembly because the compiler would check the bounds and copy each item to memory:
/// callers check the length of the whole once instead (saves about 250 gas a row; tested against the plain version).
library Rows {
    /* ROWS */

    /// @notice Number of rows. Callers must have checked `isWhole`.
    function count(bytes calldata rows) internal pure returns (uint256) {
        return rows.length / ROW_BYTES;
    }

    /// @notice Whether the bytes hold whole rows only.
    function isWhole(bytes calldata rows) internal pure returns (bool) {
        return rows.length % ROW_BYTES == 0;
    }

    /// @notice Row `index`; the caller guarantees `index < count(rows)`.
    function rowAt(bytes calldata rows, uint256 index) internal pure returns (Row row) {
        // 144 = 256 - 112 bits. Reading past the end of calldata yields zeros that the shift drops.
        assembly ("memory-safe") {
            row := shr(144, calldataload(add(rows.offset, mul(index, 14))))
        }
    }

    function licenseId(Row row) internal pure returns (uint32) {
        return uint32(Row.unwrap(row) >> 80);
    }

    function tier(Row row) internal pure returns (uint8) {
        return uint8(Row.unwrap(row) >> 72);
    }

    function metric(Row row) internal pure returns (uint8) {
        return uint8(Row.unwrap(row) >> 64);
    }

    function quantity(Row row) internal pure returns (uint64) {
        return uint64(Row.unwrap(row));
    }

    /// @notice tier | metric: what of a row a price depends on besides the terms.
    function kind(Row row) internal pure returns (uint16) {
        return uint16(Row.unwrap(row) >> 64);
    }

    /// @notice The part of a row that orders rows and is unique in a report: licenseId | tier | metric.
    function key(Row row) internal pure returns (uint256) {
        return Row.unwrap(row) >> 64;
    }

    function keyOf(uint32 licenseId_, uint8 tier_, uint8 metric_) internal pure returns (uint256) {
        return (uint256(licenseId_) << 16) | (uint256(tier_) << 8) | metric_;
    }

    /// @notice Finds a row by its key in ascending rows.
    /// @return found whether it is there
    /// @return index where it is, or would be
    function find(bytes calldata rows, uint256 key_) internal pure returns (bool found, uint256 index) {
        uint256 low = 0;
        uint256 high = count(rows);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint256 current = rowAt(rows, middle).key();
            if (current == key_) return (true, middle);
            if (current < key_) low = middle + 1;
            else high = middle;
        }
        return (false, low);
    }

    /* CREDITS */

    /// @notice Room for `count_` credits, to be filled in order with `writeCredit`.
    function newCredits(uint256 count_) internal pure returns (bytes memory credits) {
        // One spare word: each write is a whole word, of which the last 20 bytes are the next credit's or spare.
        credits = new bytes(count_ * CREDIT_BYTES + 32);
        assembly ("memory-safe") {
            mstore(credits, mul(count_, 12))
        }
    }

    /// @notice Writes credit `index`. Credits are written in ascending order, each once.
    function writeCredit(bytes memory credits, uint256 index, uint32 splitId_, uint64 amount_) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(credits, 32), mul(index, 12)), shl(160, or(shl(64, splitId_), amount_)))
        }
    }

    /// @notice Credit `index`; the caller guarantees that it is there.
    function creditAt(bytes calldata credits, uint256 index) internal pure returns (Credit credit) {
        assembly ("memory-safe") {
            credit := shr(160, calldataload(add(credits.offset, mul(index, 12))))
        }
    }

    function splitId(Credit credit) internal pure returns (uint32) {
        return uint32(Credit.unwrap(credit) >> 64);
    }

    function amount(Credit credit) internal pure returns (uint64) {
        return uint64(Credit.unwrap(credit));
    }

    /// @notice The credits whose bit in `held` is not set, still in order.
    function withoutHeld(bytes calldata credits, mapping(uint256 word => uint256 bits) storage held)
        internal
        view
        returns (bytes memory kept)
    {
        uint256 total = credits.length / CREDIT_BYTES;
        kept = newCredits(total);
        uint256 written = 0;
        uint256 bits = 0;
        for (uint256 i = 0; i < total; ++i) {
            if (i % 256 == 0) bits = held[i / 256];
            if ((bits >> (i % 256)) & 1 != 0) continue;
            Credit credit = creditAt(credits, i);
            writeCredit(kept, written++, credit.splitId(), credit.amount());
        }
        assembly ("memory-safe") {
            mstore(kept, mul(written, 12))
        }
    }
}
