// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Signed} from "../Types.sol";
import {ILicenseRegistry} from "./ILicenseRegistry.sol";
import {IRoyaltyVault} from "./IRoyaltyVault.sol";
import {ISignedActs} from "./ISignedActs.sol";

/// @title Grants: the right to a tier where the terms ask for one
/// @notice A grant names a licence, a tier, a platform, a model (or any, unless the terms bind it to one) and a time.
/// It runs from now to the end of the licence's running term. Who holds one renews it for the whole next term in the
/// last 30 days of this one. What was sold holds until its end: amendments that come later wait for it, a revocation
/// too; only a licence that was not its licensor's to give (`voidLicense`) takes its grants with it.
/// The platform's admin pays the fee to the licence's split at once, by allowance to the vault.
interface IGrants is ISignedActs {
    error NotPlatformAdmin(uint32 platformId, address account);
    error NotLicensor(uint32 licenseId, address account);
    /// @notice The licence does not consent to this tier now.
    error NoConsent(uint32 licenseId, uint8 tier);
    /// @notice These terms ask for no grant.
    error GrantNotRequired(uint32 licenseId, uint8 tier);
    /// @notice The licensor approves each grant of these terms: `ask` first.
    error ApprovalRequired(uint32 licenseId, uint8 tier);
    /// @notice The terms bind a grant to one model: name it.
    error ModelMissing(uint32 licenseId, uint8 tier);
    error NotOffered(uint32 licenseId, uint8 tier);
    error FeeAboveMaximum(uint64 fee, uint64 maximum);
    error UnknownRequest(uint32 requestId);
    error RequestNotApproved(uint32 requestId);
    error RequestClosed(uint32 requestId);
    error DocumentMismatch(uint32 licenseId, bytes32 current, bytes32 signed);
    /// @notice The request is about something else than was agreed to. Both are digests as `requestDigest` computes.
    error RequestMismatch(uint32 requestId, bytes32 current, bytes32 agreed);
    /// @notice The licensor's approval was withdrawn or never given.
    error NothingToWithdraw(uint32 requestId);
    /// @notice The grant before it already reaches the end of the licence, or of the next term.
    error NothingToGrant(uint32 licenseId, uint8 tier);
    /// @notice A grant that runs is renewed from `opensAt` on, in seconds since 1970.
    error RenewalTooEarly(uint32 licenseId, uint8 tier, uint40 opensAt);
    /// @notice The next term has other terms, from `from` on: a grant for it is bought once it has begun.
    error AmendmentPending(uint32 licenseId, uint40 from);

    /// @notice A platform asks the licensor for a grant at `fee` token units.
    event GrantAsked(
        uint32 indexed requestId,
        uint32 indexed licenseId,
        uint32 indexed platformId,
        uint8 tier,
        bytes32 modelId,
        uint64 fee
    );
    /// @notice The licensor agreed; the platform can pay.
    event GrantApproved(uint32 indexed requestId, uint32 indexed licenseId, address licensor);
    /// @notice The licensor took its agreement back; the request cannot be paid.
    event ApprovalWithdrawn(uint32 indexed requestId, uint32 indexed licenseId, address licensor);
    /// @notice A grant runs in `[start, end)`, seconds of Unix time. `fee` token units went to the split.
    /// `requestId` is the request that it closes; 0 where it was bought at the price of the rate card.
    event Granted(
        uint32 indexed licenseId,
        uint32 indexed platformId,
        uint8 tier,
        bytes32 modelId,
        uint40 start,
        uint40 end,
        uint64 fee,
        uint32 splitId,
        uint32 requestId
    );

    /// @notice Takes a grant at the price of the rate card, where no approval is asked for.
    /// @param modelId the model it is for; zero for any model of the platform, unless the terms are MODEL_BOUND
    /// @param maximumFee in units of the token: a dearer grant is refused
    function buy(uint32 platformId, uint32 licenseId, uint8 tier, bytes32 modelId, uint64 maximumFee) external;
    /// @notice Asks the licensor for a grant at an offered fee.
    function ask(uint32 platformId, uint32 licenseId, uint8 tier, bytes32 modelId, uint64 fee)
        external
        returns (uint32 requestId);
    /// @notice Approves a request as the licensor.
    /// @param digest what is agreed to, as `requestDigest` computes it: an id alone a reorg could reassign
    function approve(uint32 requestId, bytes32 digest) external;
    /// @notice Approves a request by the licensor's signature of all that its digest covers.
    function approveBySignature(uint32 requestId, bytes32 currentDocument, Signed calldata by) external;
    /// @notice Takes the approval of a request back, as the licensor, before it is paid.
    function withdrawApproval(uint32 requestId) external;
    /// @notice Pays an approved request and takes the grant. An approval holds while the licence's document does.
    function pay(uint32 requestId) external;

    /// @notice What approving a request means now: `keccak256(abi.encode(licenseId, document, tier, platformId,
    /// platformAdmin, modelId, fee))`, with the licence's document and the platform's admin of now.
    function requestDigest(uint32 requestId) external view returns (bytes32);
    /// @notice The end of the latest grant of a licence that was renewed ahead, in seconds since 1970; 0 for none.
    function renewedUntil(uint32 licenseId) external view returns (uint40);
    /// @notice Whether a platform's model holds a grant that overlaps `[start, end)`, in seconds since 1970. One for
    /// any model does not count where terms at the first or last moment with consent in there are MODEL_BOUND.
    function covers(uint32 licenseId, uint8 tier, uint32 platformId, bytes32 modelId, uint64 start, uint64 end)
        external
        view
        returns (bool);
    /// @notice Where fees are paid.
    function vault() external view returns (IRoyaltyVault);
    /// @notice Where licences are.
    function registry() external view returns (ILicenseRegistry);
    /// @notice How many requests were made; their ids are 1 to this.
    function requestCount() external view returns (uint32);
}
