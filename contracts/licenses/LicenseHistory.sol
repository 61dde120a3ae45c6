// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {License, NOTICE, PastSplit, Version} from "../Types.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {TermsBook} from "./TermsBook.sol";

/// @title A licence in time: versions of its terms, their ends, and what was true when
/// @notice Only moments from now on can be changed: a version is superseded now or later, never before.
abstract contract LicenseHistory is TermsBook {
    mapping(uint32 licenseId => License) internal _licenses;
    mapping(uint32 licenseId => bytes32 digest) private _documents;
    mapping(uint32 licenseId => bytes32 digest) private _nextDocuments;
    /// @dev Versions before the one in the hot slot, in ascending order of `from`.
    mapping(uint32 licenseId => Version[]) private _pastVersions;
    /// @dev Splits before the one in the hot slot, in ascending order of `until`.
    mapping(uint32 licenseId => PastSplit[]) private _pastSplits;

    /* WRITING */

    function _begin(uint32 licenseId, uint32 termsId, uint32 splitId, bytes32 document) internal {
        uint40 now_ = uint40(block.timestamp);
        // Field by field, and only what is not 0: a struct would go through memory, for 400 gas more.
        License storage license = _licenses[licenseId];
        license.termsId = termsId;
        license.from = now_;
        license.anchor = now_;
        license.splitId = splitId;
        _documents[licenseId] = document;
    }

    function _amend(uint32 licenseId, bytes32 terms, bytes32 document) internal {
        // Check
        License memory license = _licenses[licenseId];
        uint32 termsId = termsIdOf[terms];
        if (license.endsAt != 0) revert LicenseEnding(licenseId, license.endsAt);
        if (termsId == 0) revert UnknownTerms(terms);
        if (document == 0) revert DigestMissing("document");

        // Effect
        _fold(licenseId, license);
        uint40 from = uint40(block.timestamp);
        if (termsId == license.termsId) {
            // Only the document changes; an amendment that was waiting is withdrawn.
            license.nextTermsId = 0;
            license.nextFrom = 0;
            _documents[licenseId] = document;
        } else if (_onlyAddsTiers(license.termsId, termsId)) {
            if (license.nextFrom != 0) revert AmendmentPending(licenseId, license.nextFrom);
            _pastVersions[licenseId].push(Version({termsId: license.termsId, from: license.from}));
            license.termsId = termsId;
            license.from = from;
            // The anchor stays: adding a tier does not start the term anew.
            _documents[licenseId] = document;
        } else {
            from = _effectiveFrom(license, termsId);
            license.nextTermsId = termsId;
            license.nextFrom = from;
            _nextDocuments[licenseId] = document;
        }
        _licenses[licenseId] = license;
        emit LicenseAmended(licenseId, termsId, from, document);
        emit MetadataUpdate(licenseId);
    }

    /// @dev The end of the running term, or of the one after it where platforms would have too little notice.
    function _effectiveFrom(License memory license, uint32 termsId) private view returns (uint40 from) {
        from = _termEnd(license);
        if (from - block.timestamp >= NOTICE || _isMilder(license.termsId, termsId)) return from;
        from += uint40(uint256(_heads[license.termsId].termDays) * 1 days);
    }

    function _moveTo(uint32 licenseId, uint32 splitId) internal {
        License storage license = _licenses[licenseId];
        _pastSplits[licenseId].push(PastSplit({splitId: license.splitId, until: uint40(block.timestamp)}));
        license.splitId = splitId;
    }

    function _revoke(uint32 licenseId) internal {
        License memory license = _licenses[licenseId];
        if (license.endsAt != 0) revert LicenseEnding(licenseId, license.endsAt);
        _fold(licenseId, license);
        uint40 endsAt = _termEnd(license);
        uint40 soldUntil = _soldUntil(licenseId);
        license.endsAt = soldUntil > endsAt ? soldUntil : endsAt;
        _licenses[licenseId] = license;
        emit LicenseRevoked(licenseId, license.endsAt);
    }

    /// @dev The end of the latest grant that was renewed ahead: what was sold is not revoked.
    function _soldUntil(uint32 licenseId) internal view virtual returns (uint40);

    function _reinstate(uint32 licenseId) internal {
        uint40 endsAt = _licenses[licenseId].endsAt;
        if (endsAt == 0) revert NotRevoked(licenseId);
        if (block.timestamp >= endsAt) revert LicenseEnded(licenseId, endsAt);
        _licenses[licenseId].endsAt = 0;
        emit LicenseReinstated(licenseId);
    }

    function _void(uint32 licenseId) internal {
        uint40 endsAt = _licenses[licenseId].endsAt;
        if (endsAt != 0 && endsAt <= block.timestamp) revert LicenseEnded(licenseId, endsAt);
        _licenses[licenseId].endsAt = uint40(block.timestamp);
        emit LicenseVoided(licenseId, uint40(block.timestamp));
    }

    /// @dev Moves a version that has taken effect into its place in the hot slot, in memory; the caller stores it.
    function _fold(uint32 licenseId, License memory license) private {
        if (!_nextTookEffect(license)) return;
        _pastVersions[licenseId].push(Version({termsId: license.termsId, from: license.from}));
        license.termsId = license.nextTermsId;
        license.from = license.nextFrom;
        license.anchor = license.nextFrom;
        license.nextTermsId = 0;
        license.nextFrom = 0;
        _documents[licenseId] = _nextDocuments[licenseId];
    }

    /* READING */

    /// @inheritdoc ILicenseRegistry
    function licenseOf(uint32 licenseId) external view returns (License memory) {
        return _licenses[licenseId];
    }

    /// @inheritdoc ILicenseRegistry
    function splitAt(uint32 licenseId, uint256 time) external view returns (uint32) {
        PastSplit[] storage past = _pastSplits[licenseId];
        for (uint256 i = 0; i < past.length; ++i) {
            if (time < past[i].until) return past[i].splitId;
        }
        return _licenses[licenseId].splitId;
    }

    /// @inheritdoc ILicenseRegistry
    function documentOf(uint32 licenseId) public view returns (bytes32) {
        return _nextTookEffect(_licenses[licenseId]) ? _nextDocuments[licenseId] : _documents[licenseId];
    }

    /// @inheritdoc ILicenseRegistry
    function termEndOf(uint32 licenseId) external view returns (uint40) {
        License memory license = _licenses[licenseId];
        if (license.from == 0) revert UnknownLicense(licenseId);
        return _termEnd(license);
    }

    /// @inheritdoc ILicenseRegistry
    function consentAt(uint32 licenseId, uint8 tier, uint256 time) external view returns (bool) {
        return _hasTier(_heads[termsAt(licenseId, time)].tiers, tier);
    }

    /// @inheritdoc ILicenseRegistry
    function termsAt(uint32 licenseId, uint256 time) public view returns (uint32) {
        License memory license = _licenses[licenseId];
        if (license.endsAt != 0 && time >= license.endsAt) return 0;
        if (license.nextFrom != 0 && time >= license.nextFrom) return license.nextTermsId;
        if (time >= license.from) return license.termsId;
        Version[] storage past = _pastVersions[licenseId];
        for (uint256 i = past.length; i > 0; --i) {
            if (time >= past[i - 1].from) return past[i - 1].termsId;
        }
        return 0;
    }

    /// @dev Whether the version in the hot slot is the one in force all through `[start, end)`.
    function _isSteady(License storage license, uint256 start, uint256 end) internal view returns (bool) {
        // 0 wraps to the largest number: no licence began before that, and what is not to come comes after any end.
        unchecked {
            return uint256(license.from) - 1 < start && uint256(license.nextFrom) - 1 >= end - 1
                && uint256(license.endsAt) - 1 >= end - 1;
        }
    }

    /// @dev The terms at the first and at the last moment of `[start, end)` at which the licence consents to the tier;
    /// 0 and 0 for none. A use may have happened at either, so a row answers to both.
    function _periodTerms(uint32 licenseId, License storage license, uint8 tier, uint256 start, uint256 end)
        internal
        view
        returns (uint32 first, uint32 last)
    {
        if (license.endsAt != 0 && license.endsAt < end) end = license.endsAt;
        if (start >= end) return (0, 0);
        // By far the most: one version covers the whole period.
        if (start >= license.from && (license.nextFrom == 0 || license.nextFrom >= end)) {
            first = _hasTier(_heads[license.termsId].tiers, tier) ? license.termsId : 0;
            return (first, first);
        }
        return _searchVersions(licenseId, license, tier, start, end);
    }

    /// @dev Walks the versions in order. There are few: each but the first was added at a term's end or added a tier.
    function _searchVersions(uint32 licenseId, License storage license, uint8 tier, uint256 start, uint256 end)
        private
        view
        returns (uint32 first, uint32 last)
    {
        Version[] storage past = _pastVersions[licenseId];
        uint256 count = past.length;
        for (uint256 i = 0; i < count; ++i) {
            uint256 until = i + 1 < count ? past[i + 1].from : license.from;
            if (!_consents(past[i].termsId, tier, past[i].from, until, start, end)) continue;
            last = past[i].termsId;
            if (first == 0) first = last;
        }
        uint256 currentUntil = license.nextFrom == 0 ? type(uint256).max : license.nextFrom;
        if (_consents(license.termsId, tier, license.from, currentUntil, start, end)) {
            last = license.termsId;
            if (first == 0) first = last;
        }
        if (license.nextFrom == 0) return (first, last);
        if (_consents(license.nextTermsId, tier, license.nextFrom, type(uint256).max, start, end)) {
            last = license.nextTermsId;
            if (first == 0) first = last;
        }
    }

    /// @dev Whether a version in force in `[from, until)` meets `[start, end)` and has the tier.
    function _consents(uint32 termsId, uint8 tier, uint256 from, uint256 until, uint256 start, uint256 end)
        private
        view
        returns (bool)
    {
        uint256 first = from > start ? from : start;
        uint256 last = until < end ? until : end;
        return first < last && _hasTier(_heads[termsId].tiers, tier);
    }

    /// @dev A next version that would only begin once the licence has ended never takes effect.
    function _nextTookEffect(License memory license) private view returns (bool) {
        return license.nextFrom != 0 && block.timestamp >= license.nextFrom
            && (license.endsAt == 0 || license.endsAt > license.nextFrom);
    }

    /// @dev The end of the term that contains now.
    function _termEnd(License memory license) private view returns (uint40) {
        bool next = _nextTookEffect(license);
        uint256 anchor = next ? license.nextFrom : license.anchor;
        uint256 length = uint256(_heads[next ? license.nextTermsId : license.termsId].termDays) * 1 days;
        return uint40(anchor + ((block.timestamp - anchor) / length + 1) * length);
    }
}
