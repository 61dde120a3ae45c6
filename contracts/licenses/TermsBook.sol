// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ALL_FLAGS, GRANT_APPROVAL, GRANT_REQUIRED, MODEL_BOUND, RateCard, TIERS, Terms, TermsHead} from "../Types.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {Messages} from "../libraries/Messages.sol";

/// @title Interned terms
/// @notice Equal terms are stored once: a head slot, a text digest, and one rate card per opted-in tier.
abstract contract TermsBook is ILicenseRegistry {
    uint16 private constant MIN_TERM_DAYS = 365;
    uint16 private constant MAX_TERM_DAYS = 1096;
    uint16 private constant MAX_INFLUENCE_BPS = 10_000;

    /// @inheritdoc ILicenseRegistry
    uint32 public termsCount;
    /// @inheritdoc ILicenseRegistry
    mapping(bytes32 digest => uint32 termsId) public termsIdOf;
    /// @inheritdoc ILicenseRegistry
    mapping(uint32 termsId => bytes32 digest) public textDigestOf;

    mapping(uint32 termsId => TermsHead) internal _heads;
    mapping(uint32 termsId => mapping(uint8 tier => RateCard)) internal _rateCards;

    /// @inheritdoc ILicenseRegistry
    function internTerms(Terms calldata terms) public returns (uint32 termsId) {
        bytes32 digest = Messages.terms(terms);
        termsId = termsIdOf[digest];
        // Equal terms were checked when they were interned.
        if (termsId != 0) return termsId;

        // Check
        if (terms.tiers >> TIERS != 0) revert TiersInvalid(terms.tiers);
        if (terms.termDays < MIN_TERM_DAYS || terms.termDays > MAX_TERM_DAYS) revert TermDaysInvalid(terms.termDays);
        if (terms.influenceCapBps > MAX_INFLUENCE_BPS) revert InfluenceCapInvalid(terms.influenceCapBps);
        if (terms.textDigest == 0) revert TextDigestMissing();
        _checkFlags(terms.flags);

        // Effect
        termsId = ++termsCount;
        termsIdOf[digest] = termsId;
        textDigestOf[termsId] = terms.textDigest;
        _heads[termsId] = TermsHead({
            tiers: terms.tiers,
            termDays: terms.termDays,
            flags: terms.flags,
            influenceCapBps: terms.influenceCapBps
        });
        uint256 used = 0;
        for (uint8 tier = 1; tier <= TIERS; ++tier) {
            if (!_hasTier(terms.tiers, tier)) continue;
            if (used < terms.rates.length) _rateCards[termsId][tier] = terms.rates[used];
            ++used;
        }
        if (used != terms.rates.length) revert RateCountInvalid(terms.rates.length, used);
        emit TermsInterned(termsId, digest, terms);
    }

    function _checkFlags(uint16 flags) private pure {
        bool unknown = flags & ~ALL_FLAGS != 0;
        // Approval and model binding are properties of a grant: without one they would say nothing.
        bool idle = flags & (GRANT_APPROVAL | MODEL_BOUND) != 0 && flags & GRANT_REQUIRED == 0;
        if (unknown || idle) revert FlagsInvalid(flags);
    }

    /// @dev `tier` is 1..6 or any other number, which no set has.
    function _hasTier(uint8 tiers, uint8 tier) internal pure returns (bool) {
        // A shift by 255 (tier 0) or by more than 7 leaves nothing of a uint8.
        unchecked {
            return (tiers >> uint8(tier - 1)) & 1 != 0;
        }
    }

    /// @dev Whether `later` differs from `earlier` only by further tiers.
    function _onlyAddsTiers(uint32 earlier, uint32 later) internal view returns (bool) {
        TermsHead memory a = _heads[earlier];
        TermsHead memory b = _heads[later];
        if (a.tiers & b.tiers != a.tiers || a.tiers == b.tiers) return false;
        if (a.termDays != b.termDays || a.flags != b.flags || a.influenceCapBps != b.influenceCapBps) return false;
        if (textDigestOf[earlier] != textDigestOf[later]) return false;
        for (uint8 tier = 1; tier <= TIERS; ++tier) {
            if (_hasTier(a.tiers, tier) && !_sameCard(_rateCards[earlier][tier], _rateCards[later][tier])) {
                return false;
            }
        }
        return true;
    }

    /// @dev Whether a platform may do under `later` all that it may under `earlier`, at no higher price.
    function _isMilder(uint32 earlier, uint32 later) internal view returns (bool) {
        TermsHead memory a = _heads[earlier];
        TermsHead memory b = _heads[later];
        if (a.tiers & b.tiers != a.tiers || a.flags != b.flags || a.influenceCapBps != b.influenceCapBps) return false;
        if (a.termDays != b.termDays || textDigestOf[earlier] != textDigestOf[later]) return false;
        for (uint8 tier = 1; tier <= TIERS; ++tier) {
            if (_hasTier(a.tiers, tier) && !_atMost(_rateCards[later][tier], _rateCards[earlier][tier])) return false;
        }
        return true;
    }

    function _atMost(RateCard memory a, RateCard memory b) private pure returns (bool) {
        return a.trainingRun <= b.trainingRun && a.generation <= b.generation && a.playback <= b.playback
            && a.grantFee <= b.grantFee;
    }

    function _sameCard(RateCard memory a, RateCard memory b) private pure returns (bool) {
        return a.trainingRun == b.trainingRun && a.generation == b.generation && a.playback == b.playback
            && a.grantFee == b.grantFee;
    }

    /// @inheritdoc ILicenseRegistry
    function termsHeadOf(uint32 termsId) external view returns (TermsHead memory) {
        return _heads[termsId];
    }

    /// @inheritdoc ILicenseRegistry
    function rateCardOf(uint32 termsId, uint8 tier) external view returns (RateCard memory) {
        return _rateCards[termsId][tier];
    }
}
