// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Report, Stream, UsageReport} from "../Types.sol";
import {IAttesters} from "./IAttesters.sol";
import {IGrants} from "./IGrants.sol";
import {ILicenseRegistry} from "./ILicenseRegistry.sol";
import {IRoyaltyVault} from "./IRoyaltyVault.sol";

/// @title Usage reports: signed by the platform, attested by a quorum, priced by the registry, paid after a window
/// @notice Submitting prices and freezes: nothing is priced twice. Settling only moves what was frozen.
interface IUsageOracle is IAttesters {
    error ConfigInvalid(string field);
    error ReportExists(bytes32 reportId);
    error DeadlinePassed(bytes32 reportId, uint64 deadline);
    error ReporterUnknown(uint32 platformId, address reporter);
    error ReporterSignatureInvalid(address reporter);
    error SequenceInvalid(uint64 expected, uint64 given);
    error PreviousInvalid(bytes32 expected, bytes32 given);
    error PeriodInvalid(uint64 periodStart, uint64 periodEnd);
    error PeriodNotOver(uint64 periodEnd, uint256 timestamp);
    error PeriodTooLong(uint64 periodStart, uint64 periodEnd, uint40 longest);
    /// @notice A report that does not continue its stream begins at `earliest` or later.
    error PeriodTooOld(uint64 periodStart, uint40 earliest);
    /// @notice A report starts where the stream is covered until, or lies wholly before it.
    error PeriodGap(uint40 coveredUntil, uint64 periodStart, uint64 periodEnd);
    /// @notice A zero statement must advance its stream, so there cannot be a second for a period.
    error ZeroStatementRepeated(uint40 coveredUntil, uint64 periodEnd);
    error RowCountMismatch(uint32 given, uint256 actual);
    error RowsDigestMismatch(bytes32 given, bytes32 actual);
    error TotalMismatch(uint64 given, uint64 actual);
    error PricingInvalid(uint8 pricing);
    /// @notice The row's terms ask for a grant that this platform's model does not hold.
    error GrantMissing(uint32 licenseId, uint8 tier);
    error EscrowShort(uint32 platformId, uint64 needed);
    error NotUnfunded(bytes32 reportId);
    error NotPending(bytes32 reportId);
    error WindowOpen(bytes32 reportId, uint40 end);
    error CreditsDigestMismatch(bytes32 expected, bytes32 actual);
    error NotDisputes(address account);
    error AlreadyHeld(bytes32 reportId, uint256 index);
    error Paused(uint40 until);
    error PausedTooSoon(uint40 nextPause);
    error NotPauser(address account);
    /// @notice The guardian cannot lift what the governor paused.
    error PausedByGovernor(uint40 until);

    /// @notice `rows` and `credits` are the packed rows and, one for one, what each will pay whom.
    event ReportSubmitted(
        bytes32 indexed reportId,
        uint32 indexed platformId,
        bytes32 indexed modelId,
        UsageReport report,
        address reporter,
        uint64 configVersion,
        bytes rows,
        bytes credits
    );
    /// @notice The report's window has begun.
    event ReportFunded(bytes32 indexed reportId, uint40 end);
    /// @notice The escrow is short: the report waits, and so does its platform.
    event ReportUnfunded(bytes32 indexed reportId, uint64 needed);
    /// @notice The report's credits became earnings: `credited` token units, the rows held by challenges left out.
    event ReportSettled(bytes32 indexed reportId, uint64 credited);
    /// @notice The disputes keep row `index` back: `amount` token units of the report's reserve.
    event RowHeld(bytes32 indexed reportId, uint256 index, uint64 amount);
    /// @notice Submissions and settlements stop until this time; zero where they go on.
    event PausedUntil(uint40 until, address indexed by);

    /// @notice Records, prices and freezes a report.
    /// @param rows packed rows, strictly ascending
    /// @param reporter the platform's reporter key (or ERC-1271 contract) that signed the report
    /// @param version the attester set's version that signed
    /// @param attestations quorum of 65-byte signatures, strictly ascending by signer
    /// @return reportId the EIP-712 digest of the report
    function submit(
        UsageReport calldata report,
        bytes calldata rows,
        address reporter,
        bytes calldata reporterSignature,
        uint64 version,
        bytes calldata attestations
    ) external returns (bytes32 reportId);
    /// @notice Reserves the money of an unfunded report and starts its window. Anyone may call it.
    function fund(bytes32 reportId) external;
    /// @notice After the window: turns the report's credits, less the rows held by challenges, into earnings. Anyone.
    function settle(bytes32 reportId, bytes calldata credits) external;
    /// @notice The disputes take a contested row's money into their own keeping.
    function hold(bytes32 reportId, uint256 index, uint64 amount) external;
    /// @notice Stops submit and settle for 14 days at most; challenges, claims and withdrawals go on.
    /// The guardian may do so once in 90 days; the governor at any time.
    function pause() external;
    /// @notice Ends a pause early. The governor ends any; the guardian none while a pause of the governor runs.
    function unpause() external;

    /// @notice The EIP-712 digest of a report with this contract's domain, whether it was submitted or not.
    function reportIdOf(UsageReport calldata report) external view returns (bytes32);
    /// @notice What is kept of a report; all zero for one that was not submitted.
    function reportOf(bytes32 reportId) external view returns (Report memory);
    /// @notice The reports of a platform for a model so far: the last one, their number and until when they cover.
    function streamOf(uint32 platformId, bytes32 modelId) external view returns (Stream memory);
    /// @notice Whether a challenge keeps row `index` of a report back.
    function isHeld(bytes32 reportId, uint256 index) external view returns (bool);
    /// @notice Until when submissions and settlements stop, seconds of Unix time; zero or past: they do not.
    function pausedUntil() external view returns (uint40);
    /// @notice Seconds between a report's funding and its settlement, in which any row can be challenged.
    function challengeWindow() external view returns (uint40);
    /// @notice Where the money is.
    function vault() external view returns (IRoyaltyVault);
    /// @notice Where licences are, which prices the rows.
    function registry() external view returns (ILicenseRegistry);
    /// @notice Where grants are bought.
    function grants() external view returns (IGrants);
    /// @notice Who alone can hold rows.
    function disputes() external view returns (address);
}
