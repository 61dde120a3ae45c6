// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {
    GRANT_APPROVAL,
    GRANT_REQUIRED,
    License,
    MODEL_BOUND,
    NOTICE,
    NOT_OFFERED,
    Signed,
    TermsHead
} from "../Types.sol";
import {IGrants} from "../interfaces/IGrants.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";
import {Messages} from "../libraries/Messages.sol";
import {SignedActs} from "../libraries/SignedActs.sol";

/// @title Negotiated use
contract Grants is IGrants, SignedActs, Multicall {
    struct Interval {
        uint40 start;
        uint40 end;
    }

    /// @dev `document` is the licence's document when it was approved; zero before.
    struct Request {
        uint32 licenseId;
        uint8 tier;
        uint32 platformId;
        uint64 fee;
        bool closed;
        bytes32 modelId;
        bytes32 document;
    }

    IRoyaltyVault private immutable VAULT;
    ILicenseRegistry private immutable REGISTRY;

    /// @inheritdoc IGrants
    uint32 public requestCount;
    /// @inheritdoc IGrants
    mapping(uint32 licenseId => uint40) public renewedUntil;

    mapping(uint32 requestId => Request) private _requests;
    /// @dev Grants of one (licence, tier, platform, model) in order of time; they do not overlap.
    mapping(bytes32 key => Interval[]) private _intervals;

    constructor(IRoyaltyVault vault_, ILicenseRegistry registry_) EIP712("Obbligato Grants", "1") {
        VAULT = vault_;
        REGISTRY = registry_;
    }

    /* BUY */

    /// @inheritdoc IGrants
    function buy(uint32 platformId, uint32 licenseId, uint8 tier, bytes32 modelId, uint64 maximumFee) external {
        // Check
        _checkAdmin(platformId);
        (uint32 termsId, TermsHead memory head) = _termsFor(licenseId, tier, modelId);
        if (head.flags & GRANT_APPROVAL != 0) revert ApprovalRequired(licenseId, tier);
        uint64 fee = REGISTRY.rateCardOf(termsId, tier).grantFee;
        if (fee == NOT_OFFERED) revert NotOffered(licenseId, tier);
        if (fee > maximumFee) revert FeeAboveMaximum(fee, maximumFee);
        _grant(0, platformId, licenseId, tier, modelId, fee, head.termDays);
    }

    /* ASK, APPROVE, PAY */

    /// @inheritdoc IGrants
    function ask(uint32 platformId, uint32 licenseId, uint8 tier, bytes32 modelId, uint64 fee)
        external
        returns (uint32 requestId)
    {
        _checkAdmin(platformId);
        _termsFor(licenseId, tier, modelId);
        requestId = ++requestCount;
        _requests[requestId] = Request({
            licenseId: licenseId,
            tier: tier,
            platformId: platformId,
            fee: fee,
            closed: false,
            modelId: modelId,
            document: 0
        });
        emit GrantAsked(requestId, licenseId, platformId, tier, modelId, fee);
    }

    /// @inheritdoc IGrants
    function approve(uint32 requestId, bytes32 digest) external {
        bytes32 current = requestDigest(requestId);
        if (current != digest) revert RequestMismatch(requestId, current, digest);
        _approve(requestId, msg.sender);
    }

    /// @inheritdoc IGrants
    function approveBySignature(uint32 requestId, bytes32 currentDocument, Signed calldata by) external {
        Request memory request = _requests[requestId];
        if (request.licenseId == 0) revert UnknownRequest(requestId);
        // The message holds what was asked for instead of the request's id, which a reorg could reassign.
        address admin = VAULT.platformOf(request.platformId).admin;
        _useSignature(
            keccak256(
                abi.encode(
                    Messages.APPROVE_GRANT,
                    by.account,
                    request.licenseId,
                    currentDocument,
                    request.tier,
                    request.platformId,
                    admin,
                    request.modelId,
                    request.fee,
                    by.nonce,
                    by.deadline
                )
            ),
            by
        );
        bytes32 current = REGISTRY.documentOf(request.licenseId);
        if (current != currentDocument) revert DocumentMismatch(request.licenseId, current, currentDocument);
        _approve(requestId, by.account);
    }

    function _approve(uint32 requestId, address licensor) private {
        Request storage request = _requests[requestId];
        uint32 licenseId = request.licenseId;
        if (licenseId == 0) revert UnknownRequest(requestId);
        if (request.closed) revert RequestClosed(requestId);
        if (!REGISTRY.isLicensor(licenseId, licensor)) revert NotLicensor(licenseId, licensor);
        request.document = REGISTRY.documentOf(licenseId);
        emit GrantApproved(requestId, licenseId, licensor);
    }

    /// @inheritdoc IGrants
    function withdrawApproval(uint32 requestId) external {
        // Check
        Request storage request = _requests[requestId];
        uint32 licenseId = request.licenseId;
        if (licenseId == 0) revert UnknownRequest(requestId);
        if (request.closed) revert RequestClosed(requestId);
        if (!REGISTRY.isLicensor(licenseId, msg.sender)) revert NotLicensor(licenseId, msg.sender);
        if (request.document == 0) revert NothingToWithdraw(requestId);
        // Effect
        request.document = 0;
        emit ApprovalWithdrawn(requestId, licenseId, msg.sender);
    }

    /// @inheritdoc IGrants
    function pay(uint32 requestId) external {
        // Check
        Request storage request = _requests[requestId];
        uint32 licenseId = request.licenseId;
        if (licenseId == 0) revert UnknownRequest(requestId);
        if (request.closed) revert RequestClosed(requestId);
        if (request.document == 0) revert RequestNotApproved(requestId);
        _checkAdmin(request.platformId);
        bytes32 current = REGISTRY.documentOf(licenseId);
        if (current != request.document) revert DocumentMismatch(licenseId, current, request.document);
        (, TermsHead memory head) = _termsFor(licenseId, request.tier, request.modelId);
        // Effect
        request.closed = true;
        _grant(requestId, request.platformId, licenseId, request.tier, request.modelId, request.fee, head.termDays);
    }

    /* GRANTING */

    /// @dev Records the grant and has the caller, the platform's admin, pay its fee. `requestId` is 0 where it was
    /// bought at the card's price.
    function _grant(
        uint32 requestId,
        uint32 platformId,
        uint32 licenseId,
        uint8 tier,
        bytes32 modelId,
        uint64 fee,
        uint16 termDays
    ) private {
        // Check
        License memory license = REGISTRY.licenseOf(licenseId);
        Interval[] storage intervals = _intervals[_key(licenseId, tier, platformId, modelId)];
        uint40 start = uint40(block.timestamp);
        uint40 end = REGISTRY.termEndOf(licenseId);
        bool renews = intervals.length != 0 && intervals[intervals.length - 1].end > start;
        if (renews) {
            _checkRenewal(licenseId, tier, license, end, intervals[intervals.length - 1].end);
            (start, end) = (end, end + uint40(uint256(termDays) * 1 days));
        }

        // Effect
        if (renews) renewedUntil[licenseId] = end;
        intervals.push(Interval({start: start, end: end}));
        emit Granted(licenseId, platformId, tier, modelId, start, end, fee, license.splitId, requestId);

        // Interaction
        if (fee != 0) VAULT.payIn(msg.sender, license.splitId, fee);
    }

    /// @dev Whether the term after `termEnd` may be sold: in the last days of this one no amendment can come between
    /// that would take away from it, and a revocation heeds `renewedUntil`.
    function _checkRenewal(uint32 licenseId, uint8 tier, License memory license, uint40 termEnd, uint40 lastEnd)
        private
        view
    {
        if (lastEnd > termEnd || license.endsAt == termEnd) revert NothingToGrant(licenseId, tier);
        // In the very second before, an amendment could still follow that takes effect at the term's end.
        uint256 opensAt = uint256(termEnd) - NOTICE + 1;
        if (block.timestamp < opensAt) revert RenewalTooEarly(licenseId, tier, uint40(opensAt));
        if (license.nextFrom == termEnd) revert AmendmentPending(licenseId, termEnd);
    }

    /// @dev The terms in force now, if they consent to the tier and ask for a grant.
    function _termsFor(uint32 licenseId, uint8 tier, bytes32 modelId)
        private
        view
        returns (uint32 termsId, TermsHead memory head)
    {
        if (!REGISTRY.consentAt(licenseId, tier, block.timestamp)) revert NoConsent(licenseId, tier);
        termsId = REGISTRY.termsAt(licenseId, block.timestamp);
        head = REGISTRY.termsHeadOf(termsId);
        if (head.flags & GRANT_REQUIRED == 0) revert GrantNotRequired(licenseId, tier);
        if (head.flags & MODEL_BOUND != 0 && modelId == 0) revert ModelMissing(licenseId, tier);
    }

    function _checkAdmin(uint32 platformId) private view {
        // Safe for an unknown platform: its admin is the zero address, which cannot call.
        if (VAULT.platformOf(platformId).admin != msg.sender) revert NotPlatformAdmin(platformId, msg.sender);
    }

    /* READING */

    /// @inheritdoc IGrants
    function covers(uint32 licenseId, uint8 tier, uint32 platformId, bytes32 modelId, uint64 start, uint64 end)
        external
        view
        returns (bool)
    {
        if (modelId != 0 && _overlaps(_intervals[_key(licenseId, tier, platformId, modelId)], start, end)) return true;
        if (!_overlaps(_intervals[_key(licenseId, tier, platformId, 0)], start, end)) return false;
        // Flags are the same for every metric. Refused where there is no consent: nothing to serve then.
        // Only the flags are of use here.
        // slither-disable-next-line unused-return
        try REGISTRY.rateFor(licenseId, tier, 1, start, end) returns (uint64, uint16 flags, uint32) {
            return flags & MODEL_BOUND == 0;
        } catch {
            return false;
        }
    }

    /// @inheritdoc IGrants
    function requestDigest(uint32 requestId) public view returns (bytes32) {
        Request memory request = _requests[requestId];
        uint32 licenseId = request.licenseId;
        if (licenseId == 0) revert UnknownRequest(requestId);
        return keccak256(
            abi.encode(
                licenseId,
                REGISTRY.documentOf(licenseId),
                request.tier,
                request.platformId,
                VAULT.platformOf(request.platformId).admin,
                request.modelId,
                request.fee
            )
        );
    }

    function _overlaps(Interval[] storage intervals, uint256 start, uint256 end) private view returns (bool) {
        // From the latest back: intervals ascend, so the first that ends before the period ends the search.
        for (uint256 i = intervals.length; i > 0; --i) {
            Interval memory interval = intervals[i - 1];
            if (interval.end <= start) return false;
            if (interval.start < end) return true;
        }
        return false;
    }

    function _key(uint32 licenseId, uint8 tier, uint32 platformId, bytes32 modelId) private pure returns (bytes32) {
        return keccak256(abi.encode(licenseId, tier, platformId, modelId));
    }

    /// @inheritdoc IGrants
    function vault() external view returns (IRoyaltyVault) {
        return VAULT;
    }

    /// @inheritdoc IGrants
    function registry() external view returns (ILicenseRegistry) {
        return REGISTRY;
    }
}
