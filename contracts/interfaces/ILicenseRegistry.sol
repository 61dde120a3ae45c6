// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {License, MintItem, Payee, RateCard, Signed, Terms, TermsHead} from "../Types.sol";
import {IRoyaltyVault} from "./IRoyaltyVault.sol";
import {ISignedActs} from "./ISignedActs.sol";

/// @title Licences: what AI may do with a recording, at what price, and who is paid
/// @notice A licence is an ERC-721 token. Its owner controls the terms; its split receives the money.
/// Every act has three doors: the owner, an operator for all of its licences, or a signature that anyone relays.
/// An approval for a single token lets its holder transfer the token and nothing else.
interface ILicenseRegistry is ISignedActs {
    /* ERRORS: terms */

    error TiersInvalid(uint8 tiers);
    error TermDaysInvalid(uint16 termDays);
    error FlagsInvalid(uint16 flags);
    error InfluenceCapInvalid(uint16 influenceCapBps);
    /// @notice One rate card per opted-in tier, no more and no fewer.
    error RateCountInvalid(uint256 count, uint256 tiers);
    error TextDigestMissing();

    /* ERRORS: licences */

    error UnknownTerms(bytes32 digest);
    error UnknownSplitDigest(bytes32 digest);
    error UnknownLicense(uint32 licenseId);
    error DigestMissing(string field);
    /// @notice The account is neither the owner nor an operator for all of the owner's licences.
    error NotLicensor(uint32 licenseId, address account);
    /// @notice Only the owner to be, or its operator, may mint to it.
    error NotMinterFor(address owner, address account);
    /// @notice The message was signed about another document, so about another licence or an older state of it.
    error DocumentMismatch(uint32 licenseId, bytes32 current, bytes32 signed);
    error LicenseEnding(uint32 licenseId, uint40 endsAt);
    error LicenseEnded(uint32 licenseId, uint40 endsAt);
    error NotRevoked(uint32 licenseId);
    /// @notice Tiers are added at once only while no amendment waits. Amending to the terms in force withdraws it.
    error AmendmentPending(uint32 licenseId, uint40 from);
    error SplitMismatch(uint32 licenseId, uint32 current, uint32 given);
    /// @notice This payee's share shrinks and it has not signed.
    error PayeeConsentMissing(uint32 licenseId, address payee);
    error NotDisputes(address account);

    /* ERRORS: rows */

    error RowsMalformed(uint256 length);
    error TooManyRows(uint256 count, uint256 maximum);
    error PeriodInvalid(uint64 periodStart, uint64 periodEnd);
    error UnknownPricing(uint8 pricing);
    error RowsNotAscending(uint32 licenseId, uint8 tier, uint8 metric);
    error UnknownTier(uint32 licenseId, uint8 tier);
    error UnknownMetric(uint32 licenseId, uint8 tier, uint8 metric);
    error QuantityZero(uint32 licenseId, uint8 tier, uint8 metric);
    /// @notice At no moment of the period did the licence consent to this tier.
    error NoConsent(uint32 licenseId, uint8 tier, uint8 metric);
    /// @notice The terms do not offer this metric by the meter.
    error NotOffered(uint32 licenseId, uint8 tier, uint8 metric);
    /// @notice The terms do not join pools.
    error NotInPool(uint32 licenseId, uint8 tier, uint8 metric);
    /// @notice The pool would pay this row less than its metered price.
    error BelowReserve(uint32 licenseId, uint8 tier, uint8 metric, uint256 amount, uint256 reserve);
    /// @notice The price of this row, or the sum up to it, does not fit 64 bits.
    error AmountTooLarge(uint32 licenseId, uint8 tier, uint8 metric);

    /* EVENTS */

    /// @notice Terms were stored for the first time. `digest` is their EIP-712 `hashStruct`.
    event TermsInterned(uint32 indexed termsId, bytes32 indexed digest, Terms terms);
    /// @notice A licence exists. `content` and `document` are sha-256 digests.
    event LicenseMinted(
        uint32 indexed licenseId,
        address indexed owner,
        bytes32 indexed content,
        uint32 termsId,
        uint32 splitId,
        bytes32 document
    );
    /// @notice `from` is when `termsId` and `document` take effect: now, or at the end of the current term.
    event LicenseAmended(uint32 indexed licenseId, uint32 termsId, uint40 from, bytes32 document);
    /// @notice Consent ends at `endsAt`, the end of the running term.
    event LicenseRevoked(uint32 indexed licenseId, uint40 endsAt);
    /// @notice The revocation was undone before it took effect.
    event LicenseReinstated(uint32 indexed licenseId);
    /// @notice The arbiter ended consent at `endsAt`, now.
    event LicenseVoided(uint32 indexed licenseId, uint40 endsAt);
    /// @notice Later usage is credited to `toSplitId`.
    event SplitChanged(uint32 indexed licenseId, uint32 fromSplitId, uint32 toSplitId);
    /// @notice ERC-4906.
    event MetadataUpdate(uint256 tokenId);

    /* TERMS */

    /// @notice Stores terms once; equal terms share one id. Anyone may call it.
    function internTerms(Terms calldata terms) external returns (uint32 termsId);
    /// @notice How many terms were interned; their ids are 1 to this.
    function termsCount() external view returns (uint32);
    /// @notice The id of terms by their EIP-712 digest, 0 if nobody interned them.
    function termsIdOf(bytes32 digest) external view returns (uint32);
    /// @notice Terms without their prices; all zero for an unknown id.
    function termsHeadOf(uint32 termsId) external view returns (TermsHead memory);
    /// @notice The digest of the legal text of terms.
    function textDigestOf(uint32 termsId) external view returns (bytes32);
    /// @notice The rate card of a tier (1..6); zeros if the tier is not opted in.
    function rateCardOf(uint32 termsId, uint8 tier) external view returns (RateCard memory);

    /* MINTING */

    /// @notice Mints a licence on interned terms and an interned split, all named by digest.
    function mint(address owner, bytes32 terms, bytes32 split, bytes32 document, bytes32 content)
        external
        returns (uint32 licenseId);
    /// @notice Interns terms and split where they are new, and mints.
    function mintWith(
        address owner,
        Terms calldata terms,
        Payee[] calldata payees,
        bytes32 document,
        bytes32 content
    ) external returns (uint32 licenseId);
    /// @notice Mints for oneself and for owners whose operator the caller is.
    /// @return firstLicenseId the others follow in order
    function mintBatch(MintItem[] calldata items) external returns (uint32 firstLicenseId);
    /// @notice `mint` for a signer, who becomes the owner. Anyone may relay it; terms and split are interned
    /// before.
    function mintBySignature(bytes32 terms, bytes32 split, bytes32 document, bytes32 content, Signed calldata by)
        external
        returns (uint32 licenseId);

    /* LATER ACTS */

    /// @notice New terms or a new document. At once where only tiers are added or only the document changes;
    /// otherwise from the end of the current term. Refused once revoked.
    function amend(uint32 licenseId, bytes32 terms, bytes32 document) external;
    /// @notice `amend` for the owner or its operator. `DocumentMismatch` where the licence has another document
    /// than was signed.
    function amendBySignature(
        uint32 licenseId,
        bytes32 currentDocument,
        bytes32 terms,
        bytes32 document,
        Signed calldata by
    ) external;
    /// @notice Ends consent at the end of the current term, or of the next one where a grant was renewed for it.
    function revoke(uint32 licenseId) external;
    /// @notice `revoke` for the owner or its operator. `DocumentMismatch` where the licence has another document
    /// than was signed.
    function revokeBySignature(uint32 licenseId, bytes32 currentDocument, Signed calldata by) external;
    /// @notice Undoes `revoke` before it takes effect.
    function reinstate(uint32 licenseId) external;
    /// @notice `reinstate` for the owner or its operator. `DocumentMismatch` where the licence has another
    /// document than was signed.
    function reinstateBySignature(uint32 licenseId, bytes32 currentDocument, Signed calldata by) external;
    /// @notice Moves later usage to another split. Every payee whose share shrinks must have signed `AcceptSplit`
    /// (given in ascending order of account), unless it is the one who acts.
    function changeSplit(
        uint32 licenseId,
        Payee[] calldata fromPayees,
        Payee[] calldata toPayees,
        Signed[] calldata acceptances
    ) external;
    /// @notice `changeSplit` for the owner or its operator; the signer counts as having accepted.
    function changeSplitBySignature(
        uint32 licenseId,
        bytes32 currentDocument,
        Payee[] calldata fromPayees,
        Payee[] calldata toPayees,
        Signed[] calldata acceptances,
        Signed calldata by
    ) external;
    /// @notice ERC-721's `setApprovalForAll` for a signer.
    function approveOperatorBySignature(address operator, bool approved, Signed calldata by) external;
    /// @notice Ends consent now, on the arbiter's ruling about whose recording it is. Past answers stay.
    function voidLicense(uint32 licenseId) external;

    /* READING */

    /// @notice Where splits are interned.
    function vault() external view returns (IRoyaltyVault);
    /// @notice Who alone can void a licence.
    function disputes() external view returns (address);
    /// @notice How many licences were minted; their ids are 1 to this.
    function licenseCount() external view returns (uint32);
    /// @notice The licence's hot slot: version in force, version to come, end and split; all zero for an unknown
    /// id.
    function licenseOf(uint32 licenseId) external view returns (License memory);
    /// @notice The sha-256 of the licence's document as of now.
    function documentOf(uint32 licenseId) external view returns (bytes32);
    /// @notice Whether `account` may act for the licence: its owner, or the owner's operator for all.
    function isLicensor(uint32 licenseId, address account) external view returns (bool);
    /// @notice The end of the term that runs now.
    function termEndOf(uint32 licenseId) external view returns (uint40);
    /// @notice Whether the licence consented to a tier at a time. An answer about the past never changes.
    function consentAt(uint32 licenseId, uint8 tier, uint256 time) external view returns (bool);
    /// @notice The split that a licence paid at a time since it was minted, the new one from the second of a change on.
    /// 0 for no licence.
    function splitAt(uint32 licenseId, uint256 time) external view returns (uint32 splitId);
    /// @notice The terms in force at a time, 0 where there is no licence yet or no more.
    function termsAt(uint32 licenseId, uint256 time) external view returns (uint32 termsId);

    /// @notice Prices packed rows for a period, or refuses the first bad one by name.
    /// @param pricing 1 METERED, 2 POOL
    /// @param total shared by a POOL, ignored by METERED
    /// @return credits packed, one per row
    /// @return sum of the credits
    /// @return granted bit `i` set: row `i` needs a grant
    function price(bytes calldata rows, uint64 periodStart, uint64 periodEnd, uint8 pricing, uint64 total)
        external
        view
        returns (bytes memory credits, uint64 sum, uint256[4] memory granted);

    /// @notice The version of the pricing formula and its tier weights: docs/rules.md, Pricing.
    function formulaVersion() external pure returns (uint8);

    /// @notice What one millionth of a unit of a tier weighs in a pool; 0 for no tier.
    function tierWeightOf(uint8 tier) external pure returns (uint256);

    /// @notice What a contested row of this period is worth: the dearer of the rates that are offered at its first and
    /// last moment with consent (2^64 - 1 if neither is), their flags, and the licence's split now.
    function rateFor(uint32 licenseId, uint8 tier, uint8 metric, uint64 periodStart, uint64 periodEnd)
        external
        view
        returns (uint64 rate, uint16 flags, uint32 splitId);
}
