// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {QUANTITY_UNIT, RateCard} from "../Types.sol";
import {Row, Rows} from "./Rows.sol";

/// @title What usage costs (formula version 1)
library Pricing {
    using Rows for bytes;

    uint8 internal constant FORMULA_VERSION = 1;

    /// @dev Tier weights 1, 2, 4, 6, 8, 10 for tiers 1..6, one byte each, tier 1 lowest. Immutable: they are code.
    uint256 private constant TIER_WEIGHTS = 0x0a0806040201;

    /// @notice Weight of one millionth of a unit in a pool; `tier` is 1..6.
    function tierWeight(uint8 tier) internal pure returns (uint256) {
        // Safe: tier >= 1 is checked where rows are read, and weights of tiers above 6 would be 0.
        unchecked {
            return uint8(TIER_WEIGHTS >> ((uint256(tier) - 1) * 8));
        }
    }

    /// @notice The rate of a metric; `metric` is 1..3.
    function rateOf(RateCard storage card, uint8 metric) internal view returns (uint64) {
        if (metric == 1) return card.trainingRun;
        return metric == 2 ? card.generation : card.playback;
    }

    /// @notice floor(quantity * rate / 1e6). May exceed uint64: the caller names the row that does.
    function metered(uint256 quantity, uint256 rate) internal pure returns (uint256) {
        // Cannot overflow: both factors are below 2^64.
        unchecked {
            return (quantity * rate) / QUANTITY_UNIT;
        }
    }

    /// @notice The part of `total` up to a cumulative weight. Differences of neighbours sum to the total, to the unit.
    function poolPrefix(uint256 total, uint256 cumulative, uint256 weight) internal pure returns (uint256) {
        // Cannot overflow: total < 2^64 and cumulative < 2^64 * 10 * 1000.
        unchecked {
            return (total * cumulative) / weight;
        }
    }

    /// @notice The weight of all rows of a report. A row whose tier no row may have weighs whatever it does: whoever
    /// prices rows refuses it.
    function weightOf(bytes calldata rows) internal pure returns (uint256 weight) {
        uint256 count = rows.count();
        for (uint256 i = 0; i < count; ++i) {
            Row row = rows.rowAt(i);
            // Cannot overflow: at most 1 000 rows of less than 2^64 * 10.
            unchecked {
                weight += row.quantity() * tierWeight(row.tier());
            }
        }
    }
}
