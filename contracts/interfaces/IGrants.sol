// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Signed} from "../Types.sol";
import {ILicenseRegistry} from "./ILicenseRegistry.sol";
import {IRoyaltyVault} from "./IRoyaltyVault.sol";
import {ISignedActs} from "./ISignedActs.sol";

/// @title Grants: the right to a tier where the terms ask for one
/// @notice A grant names a licence, a tier, a platform, a model (or any, unless the terms bind it to one) and a time.
/// It runs for one term of the licence from now, or from the end of the grant before it, and never past a revocation
/// that is already known. The platform's admin pays its fee to the licence's split at once, by allowance to the vault.
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
    /// @notice The grant before it already reaches the end of the licence.
    error NothingToGrant(uint32 licenseId, uint8 tier);

    event GrantAsked(
        uint32 indexed requestId,
        uint32 indexed licenseId,
        uint32 indexed platformId,
        uint8 tier,
        bytes32 modelId,
        uint64 fee
    );
    event GrantApproved(uint32 indexed requestId, uint32 indexed licenseId, address licensor);
    event Granted(
        uint32 indexed licenseId,
        uint32 indexed platformId,
        uint8 tier,
        bytes32 modelId,
        uint40 start,
        uint40 end,
        uint64 fee,
        uint32 splitId
    );

    /// @notice Takes a grant at the price of the rate card, where no approval is asked for.
    /// @param modelId the model it is for; zero for any model of the platform, unless the terms are MODEL_BOUND
    function buy(uint32 platformId, uint32 licenseId, uint8 tier, bytes32 modelId, uint64 maximumFee) external;
    /// @notice Asks the licensor for a grant at an offered fee.
    function ask(uint32 platformId, uint32 licenseId, uint8 tier, bytes32 modelId, uint64 fee)
        external
        returns (uint32 requestId);
    function approve(uint32 requestId) external;
    function approveBySignature(uint32 requestId, bytes32 currentDocument, Signed calldata by) external;
    /// @notice Pays an approved request and takes the grant. An approval holds while the licence's document does.
    function pay(uint32 requestId) external;

    /// @notice Whether a platform's model holds a grant that overlaps `[start, end)`.
    function covers(uint32 licenseId, uint8 tier, uint32 platformId, bytes32 modelId, uint64 start, uint64 end)
        external
        view
        returns (bool);
    function vault() external view returns (IRoyaltyVault);
    function registry() external view returns (ILicenseRegistry);
    function requestCount() external view returns (uint32);
}
