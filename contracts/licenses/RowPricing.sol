// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    GRANT_REQUIRED,
    License,
    MAX_ROWS,
    METERED,
    METRICS,
    NOT_OFFERED,
    POOL,
    POOL_FLAG,
    TIERS
} from "../Types.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {Pricing} from "../libraries/Pricing.sol";
import {Row, Rows} from "../libraries/Rows.sol";
import {LicenseHistory} from "./LicenseHistory.sol";

/// @title What a report costs and whom it pays
/// @notice The oracle says how much was used; this says what it costs and who gets it.
abstract contract RowPricing is LicenseHistory {
    using Rows for bytes;

    /// @dev What one row leaves to the next: the order and the sum so far, and the offer that priced it. Most rows of
    /// a report share one: it is kept until a row asks for another.
    struct Run {
        uint256 start;
        uint256 end;
        uint256 previous;
        uint256 sum;
        uint256 termsId;
        uint256 kind;
        uint256 flags;
        uint256 rate;
        uint256 reserve;
    }

    /// @dev Where a pool's division stands: the weight and the amount of all rows so far.
    struct Pool {
        uint256 total;
        uint256 weight;
        uint256 cumulative;
        uint256 shared;
    }

    /// @inheritdoc ILicenseRegistry
    function price(bytes calldata rows, uint64 periodStart, uint64 periodEnd, uint8 pricing, uint64 total)
        external
        view
        returns (bytes memory credits, uint64 sum, uint256[4] memory granted)
    {
        Run memory run;
        (run.start, run.end) = (periodStart, periodEnd);
        Pool memory pool = _open(rows, run, pricing, total);
        credits = Rows.newCredits(rows.count());
        _priceAll(run, pool, rows, credits, granted);
        sum = uint64(run.sum);
    }

    /// @dev Refuses what is wrong with the whole before any row is looked at.
    function _open(bytes calldata rows, Run memory run, uint8 pricing, uint64 total)
        private
        pure
        returns (Pool memory pool)
    {
        if (!rows.isWhole()) revert RowsMalformed(rows.length);
        if (rows.count() > MAX_ROWS) revert TooManyRows(rows.count(), MAX_ROWS);
        if (run.start >= run.end) revert PeriodInvalid(uint64(run.start), uint64(run.end));
        if (pricing != METERED && pricing != POOL) revert UnknownPricing(pricing);
        if (pricing == POOL) (pool.total, pool.weight) = (total, Pricing.weightOf(rows));
    }

    function _priceAll(
        Run memory run,
        Pool memory pool,
        bytes calldata rows,
        bytes memory credits,
        uint256[4] memory granted
    ) private view {
        uint256 count = rows.count();
        for (uint256 i = 0; i < count; ++i) {
            (uint32 splitId, uint256 amount) = _priceRow(run, pool, rows.rowAt(i));
            Rows.writeCredit(credits, i, splitId, uint64(amount));
            if (run.flags & GRANT_REQUIRED != 0) granted[i >> 8] |= 1 << (i & 255);
        }
    }

    /// @inheritdoc ILicenseRegistry
    function formulaVersion() external pure returns (uint8) {
        return Pricing.FORMULA_VERSION;
    }

    /// @inheritdoc ILicenseRegistry
    function tierWeightOf(uint8 tier) external pure returns (uint256) {
        return tier == 0 ? 0 : Pricing.tierWeight(tier);
    }

    /// @inheritdoc ILicenseRegistry
    function rateFor(uint32 licenseId, uint8 tier, uint8 metric, uint64 periodStart, uint64 periodEnd)
        external
        view
        returns (uint64 rate, uint16 flags, uint32 splitId)
    {
        Run memory run;
        (run.start, run.end) = (periodStart, periodEnd);
        // A quantity of one stands in for any: it only has to be one that rows may have.
        splitId = _loadOffer(run, Row.wrap((Rows.keyOf(licenseId, tier, metric) << 64) | 1));
        return (uint64(run.reserve), uint16(run.flags), splitId);
    }

    /// @dev `pool.weight` is 0 where rows are metered.
    function _priceRow(Run memory run, Pool memory pool, Row row)
        private
        view
        returns (uint32 splitId, uint256 amount)
    {
        uint256 key = row.key();
        if (key <= run.previous) revert RowsNotAscending(row.licenseId(), row.tier(), row.metric());
        run.previous = key;
        splitId = _loadOffer(run, row);
        amount = pool.weight == 0 ? _metered(run, row) : _pooled(run, row, pool);
        // Cannot overflow: the sum so far and one amount, both far below 2^255. One check covers amount and sum.
        unchecked {
            uint256 sum = run.sum + amount;
            if (sum > type(uint64).max) revert AmountTooLarge(row.licenseId(), row.tier(), row.metric());
            run.sum = sum;
        }
    }

    /// @dev Finds the offer that prices a row, refusing the row if nothing does.
    function _loadOffer(Run memory run, Row row) private view returns (uint32 splitId) {
        License storage license = _licenses[row.licenseId()];
        splitId = license.splitId;
        // By far the most rows: priced as the one before, by one version all period long. That one passed every check,
        // so of those only the quantity's could refuse this one.
        bool again = license.termsId == run.termsId && row.kind() == run.kind && _isSteady(license, run.start, run.end);
        if (!again || row.quantity() == 0) _changeOffer(run, row);
    }

    function _changeOffer(Run memory run, Row row) private view {
        uint32 licenseId = row.licenseId();
        uint8 tier = row.tier();
        uint8 metric = row.metric();
        License storage license = _licenses[licenseId];
        if (license.from == 0) revert UnknownLicense(licenseId);
        if (tier == 0 || tier > TIERS) revert UnknownTier(licenseId, tier);
        if (metric == 0 || metric > METRICS) revert UnknownMetric(licenseId, tier, metric);
        if (row.quantity() == 0) revert QuantityZero(licenseId, tier, metric);
        (uint32 first, uint32 last) = _periodTerms(licenseId, license, tier, run.start, run.end);
        if (first == 0) revert NoConsent(licenseId, tier, metric);
        // No later row is priced like one whose terms changed: no licence has terms 0.
        run.termsId = first == last ? first : 0;
        run.kind = row.kind();
        _combine(run, first, last, tier, metric);
    }

    /// @dev The dearer price of the two, a grant if either asks for one, a pool if both join pools. What one of them
    /// does not offer is not offered by the meter; a pool's reserve price is then the other's.
    function _combine(Run memory run, uint32 first, uint32 last, uint8 tier, uint8 metric) private view {
        uint256 rate = Pricing.rateOf(_rateCards[first][tier], metric);
        uint256 flags = _heads[first].flags;
        uint256 lower = rate;
        if (first != last) {
            uint256 other = Pricing.rateOf(_rateCards[last][tier], metric);
            (lower, rate) = other < rate ? (other, rate) : (rate, other);
            uint256 otherFlags = _heads[last].flags;
            flags = ((flags | otherFlags) & ~uint256(POOL_FLAG)) | (flags & otherFlags & POOL_FLAG);
        }
        (run.flags, run.rate) = (flags, rate);
        run.reserve = rate == NOT_OFFERED ? lower : rate;
    }

    function _metered(Run memory run, Row row) private pure returns (uint256) {
        if (run.rate == NOT_OFFERED) revert NotOffered(row.licenseId(), row.tier(), row.metric());
        return Pricing.metered(row.quantity(), run.rate);
    }

    function _pooled(Run memory run, Row row, Pool memory pool) private pure returns (uint256 amount) {
        if (run.flags & POOL_FLAG == 0) revert NotInPool(row.licenseId(), row.tier(), row.metric());
        // Cannot overflow: see Pricing.poolPrefix. The prefix never falls, so neither difference is negative.
        unchecked {
            pool.cumulative += row.quantity() * Pricing.tierWeight(row.tier());
            uint256 prefix = Pricing.poolPrefix(pool.total, pool.cumulative, pool.weight);
            amount = prefix - pool.shared;
            pool.shared = prefix;
        }
        if (run.reserve == NOT_OFFERED) return amount;
        uint256 reserve = Pricing.metered(row.quantity(), run.reserve);
        if (amount < reserve) revert BelowReserve(row.licenseId(), row.tier(), row.metric(), amount, reserve);
    }
}
