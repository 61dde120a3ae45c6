// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Case, Challenge, NOT_OFFERED, POOL, POOL_FLAG, QUANTITY_UNIT, RowClaim} from "../Types.sol";
import {Pricing} from "../libraries/Pricing.sol";
import {Credit, Rows} from "../libraries/Rows.sol";
import {Arbitration} from "./Arbitration.sol";

/// @title What a contested row is worth
/// @notice Its price is frozen as a fraction when it is challenged: docs/rules.md, Rulings.
abstract contract ChallengeValue is Arbitration {
    using Rows for bytes;

    /// @dev What the report says of the row, whom it pays, and its price per millionth as a fraction.
    function _loadRow(Challenge memory opened, Case calldata c, RowClaim calldata claim, bool found, uint256 index)
        internal
        view
    {
        (uint64 rate, uint16 flags, uint32 splitId) = REGISTRY.rateFor(
            claim.licenseId, claim.tier, claim.metric, c.report.periodStart, c.report.periodEnd
        );
        opened.splitId = splitId;
        if (found) {
            opened.reported = c.rows.rowAt(index).quantity();
            Credit credit = Rows.creditAt(c.credits, index);
            opened.splitId = credit.splitId();
            opened.amount = credit.amount();
        }
        if (c.report.pricing == POOL && flags & POOL_FLAG != 0) {
            uint256 numerator = uint256(c.report.total) * Pricing.tierWeight(claim.tier);
            uint256 denominator = Pricing.weightOf(c.rows);
            // A row that a pool left out is worth its reserve price at least, like those that are in it.
            bool reserved = !found && rate != NOT_OFFERED && numerator * QUANTITY_UNIT < rate * denominator;
            if (!reserved) {
                (opened.numerator, opened.denominator) = (uint128(numerator), uint128(denominator));
                return;
            }
        }
        // Metered; or use of a licence that joins no pools, left out of one.
        if (rate == NOT_OFFERED) revert NotOffered(claim.licenseId, claim.tier, claim.metric);
        (opened.numerator, opened.denominator) = (rate, uint128(QUANTITY_UNIT));
    }

    /// @dev A tenth of what the challenge can do: a reduction holds its whole row, however little it claims less.
    function _bondFor(Challenge memory opened, RowClaim calldata claim, uint64 least)
        internal
        view
        returns (uint64 bond)
    {
        uint256 value = uint256(opened.claimed) * opened.numerator / opened.denominator;
        if (value > type(uint64).max) revert ValueTooLarge(claim.licenseId, claim.tier, claim.metric);
        uint256 disputed = value > opened.amount ? value - opened.amount : opened.amount - value;
        if (_reduces(opened)) disputed = opened.amount;
        bond = uint64(disputed / 10);
        if (bond < least) bond = least;
        if (VAULT.positionOf(opened.splitId, opened.challenger).share != 0) bond /= 2;
    }

    /// @dev What the row is worth at a ruled quantity. A pool's rounding may have given the row one unit more than its
    /// value by weight: a reduction never raises it and a claim of more never lowers it.
    function _valueOf(Challenge memory c, uint64 quantity) internal pure returns (uint64) {
        if (quantity == c.reported) return c.amount;
        // Fits: it lies between 0 and the claimed value, which was checked, or below the amount.
        uint256 value = uint256(quantity) * c.numerator / c.denominator;
        if (_reduces(c) ? value > c.amount : value < c.amount) return c.amount;
        return uint64(value);
    }

    function _reduces(Challenge memory c) internal pure returns (bool) {
        return c.claimed < c.reported;
    }
}
