// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {METERED, Report, ReportState, Stream, UsageReport} from "../Types.sol";
import {IGrants} from "../interfaces/IGrants.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";
import {IUsageOracle} from "../interfaces/IUsageOracle.sol";
import {Messages} from "../libraries/Messages.sol";
import {Row, Rows} from "../libraries/Rows.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Attesters} from "./Attesters.sol";

/// @title Submit, fund, settle
/// @dev Needs no reentrancy guard: it calls only contracts of its own deployment, none of which calls out here.
contract UsageOracle is IUsageOracle, Attesters, EIP712 {
    using Rows for bytes;

    struct Config {
        IRoyaltyVault vault;
        ILicenseRegistry registry;
        IGrants grants;
        address disputes;
        address governor;
        address guardian;
        address[] attesters;
        uint40 challengeWindow;
    }

    /// @dev Longest period of one report, and how long ago one may begin that does not continue its stream.
    uint40 private constant MAX_PERIOD = 31 days;
    uint40 private constant MAX_AGE = 92 days;
    uint40 private constant PAUSE_LENGTH = 14 days;
    uint40 private constant PAUSE_SPACING = 90 days;

    IRoyaltyVault private immutable VAULT;
    ILicenseRegistry private immutable REGISTRY;
    IGrants private immutable GRANTS;
    uint40 private immutable CHALLENGE_WINDOW;

    /// @inheritdoc IUsageOracle
    uint40 public pausedUntil;
    uint40 private _guardianPausedAt;
    uint40 private _governorPausedUntil;

    mapping(bytes32 reportId => Report) private _reports;
    mapping(bytes32 reportId => mapping(uint256 word => uint256 bits)) private _held;
    mapping(uint32 platformId => mapping(bytes32 modelId => Stream)) private _streams;

    modifier whenNotPaused() {
        if (block.timestamp < pausedUntil) revert Paused(pausedUntil);
        _;
    }

    constructor(Config memory config)
        EIP712("Obbligato UsageOracle", "1")
        Attesters(config.governor, config.disputes, config.guardian, config.attesters)
    {
        if (config.challengeWindow == 0 || config.challengeWindow >= config.vault.settlementPeriod()) {
            revert ConfigInvalid("challengeWindow");
        }
        VAULT = config.vault;
        REGISTRY = config.registry;
        GRANTS = config.grants;
        CHALLENGE_WINDOW = config.challengeWindow;
    }

    /* SUBMIT */

    /// @inheritdoc IUsageOracle
    // The vault of this deployment calls nobody while it reserves.
    // slither-disable-next-line reentrancy-no-eth,reentrancy-events
    function submit(
        UsageReport calldata report,
        bytes calldata rows,
        address reporter,
        bytes calldata reporterSignature,
        uint64 version,
        bytes calldata attestations
    ) external whenNotPaused returns (bytes32 reportId) {
        // Check: who says so.
        reportId = reportIdOf(report);
        _checkReporter(report, reportId, reporter, reporterSignature);
        _checkQuorum(_hashTypedDataV4(Messages.attestation(reportId, version)), version, attestations);

        // Check and effect: where in its stream, then what it costs and who gets it.
        _advance(report, reportId);
        _record(report, reportId, rows, reporter, version);

        // Interaction: the vault, which calls nobody.
        _reserve(report, reportId);
    }

    function _checkReporter(
        UsageReport calldata report,
        bytes32 reportId,
        address reporter,
        bytes calldata signature
    ) private view {
        if (_reports[reportId].state != ReportState.NONE) revert ReportExists(reportId);
        if (block.timestamp > report.deadline) revert DeadlinePassed(reportId, report.deadline);
        if (!VAULT.isReporter(report.platformId, reporter)) revert ReporterUnknown(report.platformId, reporter);
        if (!Signatures.isValid(reporter, reportId, signature)) revert ReporterSignatureInvalid(reporter);
    }

    function _record(
        UsageReport calldata report,
        bytes32 reportId,
        bytes calldata rows,
        address reporter,
        uint64 version
    ) private {
        bytes memory credits = _price(report, rows);
        Report storage stored = _reports[reportId];
        stored.creditsDigest = keccak256(credits);
        stored.platformId = report.platformId;
        stored.total = report.total;
        stored.configVersion = uint32(version);
        emit ReportSubmitted(
            reportId, report.platformId, report.modelId, report, reporter, version, rows, credits
        );
    }

    /// @dev Reserves the total and starts the window, or leaves the report unfunded.
    // The vault of this deployment calls nobody while it reserves.
    // slither-disable-next-line reentrancy-no-eth,reentrancy-events
    function _reserve(UsageReport calldata report, bytes32 reportId) private {
        Report storage stored = _reports[reportId];
        if (VAULT.reserve(report.platformId, report.total)) {
            _startWindow(stored, reportId);
            // Nothing to pay: settled as it stands, still open to claims of usage that it leaves out.
            if (report.rowCount == 0) _markSettled(stored, reportId, 0);
        } else {
            stored.state = ReportState.UNFUNDED;
            emit ReportUnfunded(reportId, report.total);
            VAULT.oblige(report.platformId, true);
        }
    }

    /// @dev Strict order per stream, and no period left out or covered twice by the leading edge.
    function _advance(UsageReport calldata report, bytes32 reportId) private {
        Stream storage stream = _streams[report.platformId][report.modelId];
        uint40 covered = stream.coveredUntil;
        // Check
        if (report.sequence != stream.sequence + 1) revert SequenceInvalid(stream.sequence + 1, report.sequence);
        if (report.previous != stream.last) revert PreviousInvalid(stream.last, report.previous);
        if (report.periodStart >= report.periodEnd) revert PeriodInvalid(report.periodStart, report.periodEnd);
        if (report.periodEnd > block.timestamp) revert PeriodNotOver(report.periodEnd, block.timestamp);
        if (report.periodEnd - report.periodStart > MAX_PERIOD) {
            revert PeriodTooLong(report.periodStart, report.periodEnd, MAX_PERIOD);
        }
        // What continues a stream, or is a further part of its last period, may be late: a platform that is behind
        // has to catch up. What does not may not reach back to the terms of another time.
        bool continues = covered != 0 && (report.periodStart == covered || report.periodEnd == covered);
        if (!continues && report.periodStart + MAX_AGE < block.timestamp) {
            revert PeriodTooOld(report.periodStart, uint40(block.timestamp) - MAX_AGE);
        }
        bool leads = covered == 0 || report.periodStart == covered;
        if (!leads && report.periodEnd > covered) revert PeriodGap(covered, report.periodStart, report.periodEnd);
        if (!leads && report.rowCount == 0) revert ZeroStatementRepeated(covered, report.periodEnd);
        // Effect
        stream.sequence = report.sequence;
        stream.last = reportId;
        if (leads) stream.coveredUntil = uint40(report.periodEnd);
    }

    function _price(UsageReport calldata report, bytes calldata rows) private view returns (bytes memory) {
        if (report.rowCount != rows.count()) revert RowCountMismatch(report.rowCount, rows.count());
        bytes32 digest = keccak256(rows);
        if (report.rowsDigest != digest) revert RowsDigestMismatch(report.rowsDigest, digest);
        if (report.rowCount == 0 && report.pricing != METERED) revert PricingInvalid(report.pricing);
        (bytes memory credits, uint64 sum, uint256[4] memory granted) =
            REGISTRY.price(rows, report.periodStart, report.periodEnd, report.pricing, report.total);
        if (sum != report.total) revert TotalMismatch(report.total, sum);
        _checkGrants(report, rows, granted);
        return credits;
    }

    function _checkGrants(UsageReport calldata report, bytes calldata rows, uint256[4] memory granted) private view {
        for (uint256 word = 0; word < 4; ++word) {
            uint256 bits = granted[word];
            for (uint256 bit = 0; bits >> bit != 0 && bit < 256; ++bit) {
                if ((bits >> bit) & 1 == 0) continue;
                Row row = rows.rowAt(word * 256 + bit);
                bool covered = GRANTS.covers({
                    licenseId: row.licenseId(),
                    tier: row.tier(),
                    platformId: report.platformId,
                    modelId: report.modelId,
                    start: report.periodStart,
                    end: report.periodEnd
                });
                if (!covered) revert GrantMissing(row.licenseId(), row.tier());
            }
        }
    }

    /* FUND */

    /// @inheritdoc IUsageOracle
    function fund(bytes32 reportId) external {
        // Check
        Report storage stored = _reports[reportId];
        if (stored.state != ReportState.UNFUNDED) revert NotUnfunded(reportId);
        // Effect
        _startWindow(stored, reportId);
        // Interaction: the obligation goes first, or the vault would refuse to reserve for an obliged platform.
        VAULT.oblige(stored.platformId, false);
        if (!VAULT.reserve(stored.platformId, stored.total)) revert EscrowShort(stored.platformId, stored.total);
    }

    function _startWindow(Report storage stored, bytes32 reportId) private {
        stored.state = ReportState.PENDING;
        stored.end = uint40(block.timestamp) + CHALLENGE_WINDOW;
        emit ReportFunded(reportId, stored.end);
    }

    /* SETTLE */

    /// @inheritdoc IUsageOracle
    // The vault of this deployment calls nobody while it credits.
    // slither-disable-next-line reentrancy-events
    function settle(bytes32 reportId, bytes calldata credits) external whenNotPaused {
        // Check
        Report storage stored = _reports[reportId];
        if (stored.state != ReportState.PENDING) revert NotPending(reportId);
        if (block.timestamp < stored.end) revert WindowOpen(reportId, stored.end);
        bytes32 digest = keccak256(credits);
        if (digest != stored.creditsDigest) revert CreditsDigestMismatch(stored.creditsDigest, digest);
        // Effect. The state is set first; the event follows once the vault has said how much it was.
        stored.state = ReportState.SETTLED;
        // Interaction: held rows were handed to the disputes, which pay them by their rulings.
        uint64 credited = stored.held == 0
            ? VAULT.credit(stored.platformId, credits)
            : VAULT.credit(stored.platformId, Rows.withoutHeld(credits, _held[reportId]));
        emit ReportSettled(reportId, credited);
    }

    function _markSettled(Report storage stored, bytes32 reportId, uint64 credited) private {
        stored.state = ReportState.SETTLED;
        emit ReportSettled(reportId, credited);
    }

    /* HOLD */

    /// @inheritdoc IUsageOracle
    function hold(bytes32 reportId, uint256 index, uint64 amount) external {
        // Check. That the report is pending and the row has this amount, the disputes have checked.
        if (msg.sender != DISPUTES) revert NotDisputes(msg.sender);
        if (isHeld(reportId, index)) revert AlreadyHeld(reportId, index);
        // Effect
        _held[reportId][index >> 8] |= 1 << (index & 255);
        Report storage stored = _reports[reportId];
        ++stored.held;
        emit RowHeld(reportId, index, amount);
        // Interaction
        VAULT.handOver(stored.platformId, DISPUTES, amount);
    }

    /* PAUSE */

    /// @inheritdoc IUsageOracle
    function pause() external {
        uint40 now_ = uint40(block.timestamp);
        if (msg.sender == guardian) {
            uint40 next = _guardianPausedAt == 0 ? 0 : _guardianPausedAt + PAUSE_SPACING;
            if (now_ < next) revert PausedTooSoon(next);
            _guardianPausedAt = now_;
        } else if (msg.sender == governor()) {
            _governorPausedUntil = now_ + PAUSE_LENGTH;
        } else {
            revert NotPauser(msg.sender);
        }
        pausedUntil = now_ + PAUSE_LENGTH;
        emit PausedUntil(pausedUntil, msg.sender);
    }

    /// @inheritdoc IUsageOracle
    function unpause() external {
        if (msg.sender == governor()) {
            _governorPausedUntil = 0;
        } else if (msg.sender != guardian) {
            revert NotPauser(msg.sender);
        } else if (block.timestamp < _governorPausedUntil) {
            revert PausedByGovernor(_governorPausedUntil);
        }
        pausedUntil = 0;
        emit PausedUntil(0, msg.sender);
    }

    /* READING */

    /// @inheritdoc IUsageOracle
    function reportIdOf(UsageReport calldata report) public view returns (bytes32) {
        return _hashTypedDataV4(Messages.usageReport(report));
    }

    /// @inheritdoc IUsageOracle
    function reportOf(bytes32 reportId) external view returns (Report memory) {
        return _reports[reportId];
    }

    /// @inheritdoc IUsageOracle
    function streamOf(uint32 platformId, bytes32 modelId) external view returns (Stream memory) {
        return _streams[platformId][modelId];
    }

    /// @inheritdoc IUsageOracle
    function isHeld(bytes32 reportId, uint256 index) public view returns (bool) {
        return (_held[reportId][index >> 8] >> (index & 255)) & 1 != 0;
    }

    /// @inheritdoc IUsageOracle
    function challengeWindow() external view returns (uint40) {
        return CHALLENGE_WINDOW;
    }

    /// @inheritdoc IUsageOracle
    function vault() external view returns (IRoyaltyVault) {
        return VAULT;
    }

    /// @inheritdoc IUsageOracle
    function registry() external view returns (ILicenseRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IUsageOracle
    function grants() external view returns (IGrants) {
        return GRANTS;
    }

    /// @inheritdoc IUsageOracle
    function disputes() external view returns (address) {
        return DISPUTES;
    }
}
