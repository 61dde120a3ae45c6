// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {
    Case,
    Challenge,
    ChallengeState,
    Report,
    ReportState,
    RowClaim,
    RowRecord,
    Signed
} from "../Types.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {Messages} from "../libraries/Messages.sol";
import {Rows} from "../libraries/Rows.sol";
import {SignedActs} from "../libraries/SignedActs.sol";
import {Arbitration} from "./Arbitration.sol";
import {ChallengeValue} from "./ChallengeValue.sol";
import {Collection} from "./Collection.sol";
import {RivalClaims} from "./RivalClaims.sol";

/// @title Challenges of single rows
/// @notice A reduction holds its row and nothing else; a claim of more holds nothing. No other row ever moves.
/// @dev Needs no reentrancy guard: the only foreign call is the token's, taking a bond as the last step of `challenge`;
/// each call of a `multicall` is whole by itself.
contract Disputes is RivalClaims, Collection, ChallengeValue, SignedActs, Multicall {
    using Rows for bytes;

    /// @dev Each so many open challenges of a report raise the least bond of the next by the minimum.
    uint256 private constant CROWD = 10;

    /// @inheritdoc IDisputes
    uint32 public challengeCount;

    mapping(uint32 challengeId => Challenge) private _challenges;
    mapping(bytes32 rowKey => RowRecord) private _records;
    mapping(bytes32 reportId => uint256 challenges) private _openOn;

    constructor(Config memory config) Arbitration(config) EIP712("Obbligato Disputes", "1") {}

    /* CHALLENGE */

    /// @inheritdoc IDisputes
    function challenge(Case calldata c, RowClaim calldata claim, uint32[] calldata bondSplits)
        external
        returns (uint32 challengeId)
    {
        uint64 bond;
        (challengeId, bond) = _challenge(c, claim, msg.sender);
        if (bondSplits.length == 0) VAULT.postBond(msg.sender, bond);
        else VAULT.postBondFromCredit(msg.sender, bondSplits, bond);
    }

    /// @inheritdoc IDisputes
    function challengeBySignature(
        Case calldata c,
        RowClaim calldata claim,
        bytes32 currentDocument,
        uint64 maximumBond,
        uint32[] calldata bondSplits,
        Signed calldata by
    ) external returns (uint32 challengeId) {
        _useSignature(
            keccak256(
                abi.encode(
                    Messages.CHALLENGE,
                    by.account,
                    ORACLE.reportIdOf(c.report),
                    claim.licenseId,
                    currentDocument,
                    claim.tier,
                    claim.metric,
                    claim.quantity,
                    claim.evidence,
                    maximumBond,
                    by.nonce,
                    by.deadline
                )
            ),
            by
        );
        _checkDocument(claim.licenseId, currentDocument);
        uint64 bond;
        (challengeId, bond) = _challenge(c, claim, by.account);
        if (bond > maximumBond) revert BondAboveMaximum(bond, maximumBond);
        VAULT.postBondFromCredit(by.account, bondSplits, bond);
    }

    /// @dev The signer's licence still has this id. What is a day old no reorganisation gives away, and so its licensor
    /// cannot keep a challenge out with another document.
    function _checkDocument(uint32 licenseId, bytes32 signed) private view {
        if (REGISTRY.termsAt(licenseId, block.timestamp - 1 days) != 0) return;
        bytes32 current = REGISTRY.documentOf(licenseId);
        if (current != signed) revert DocumentMismatch(licenseId, current, signed);
    }

    function _challenge(Case calldata c, RowClaim calldata claim, address challenger)
        private
        returns (uint32 challengeId, uint64 bond)
    {
        // Check
        bytes32 reportId = ORACLE.reportIdOf(c.report);
        Report memory report = _checkCase(c, reportId);
        (bool found, uint256 index) = c.rows.find(Rows.keyOf(claim.licenseId, claim.tier, claim.metric));
        Challenge memory opened = Challenge({
            reportId: reportId,
            rowKey: _rowKey(reportId, claim.licenseId, claim.tier, claim.metric),
            challenger: challenger,
            openedAt: uint40(block.timestamp),
            platformId: report.platformId,
            state: ChallengeState.OPEN,
            reported: 0,
            claimed: claim.quantity,
            amount: 0,
            bond: 0,
            numerator: 0,
            denominator: 0,
            splitId: 0,
            disputedSince: uint40(block.timestamp)
        });
        _loadRow(opened, c, claim, found, index);
        if (found) _checkCredits(c, report);
        bool held = found && ORACLE.isHeld(reportId, index);
        bool reduces = _checkFree(opened, claim, report, held);

        // Effect
        bond = opened.bond = _bondFor(opened, claim, leastBondOf(reportId));
        challengeId = ++challengeCount;
        _challenges[challengeId] = opened;
        _announce(challengeId, opened, claim);
        // Interaction: this deployment's own contracts.
        _takeRow(opened, challengeId, reduces);
        VAULT.delayThaw(report.platformId);
        if (reduces && !held) ORACLE.hold(reportId, index, opened.amount);
    }

    function _announce(uint32 challengeId, Challenge memory opened, RowClaim calldata claim) private {
        emit Challenged({
            challengeId: challengeId,
            reportId: opened.reportId,
            licenseId: claim.licenseId,
            tier: claim.tier,
            metric: claim.metric,
            reported: opened.reported,
            claimed: opened.claimed,
            amount: opened.amount,
            splitId: opened.splitId,
            challenger: opened.challenger,
            bond: opened.bond,
            evidence: claim.evidence
        });
    }

    /// @dev The report can be challenged, and the rows are its own.
    function _checkCase(Case calldata c, bytes32 reportId) private view returns (Report memory report) {
        report = ORACLE.reportOf(reportId);
        if (report.state != ReportState.PENDING && report.state != ReportState.SETTLED) {
            revert NotChallengeable(reportId);
        }
        bytes32 digest = keccak256(c.rows);
        if (digest != c.report.rowsDigest) revert RowsDigestMismatch(c.report.rowsDigest, digest);
    }

    function _checkCredits(Case calldata c, Report memory report) private pure {
        bytes32 digest = keccak256(c.credits);
        if (digest != report.creditsDigest) revert CreditsDigestMismatch(report.creditsDigest, digest);
    }

    /// @dev The row is free for this challenge, and its time has not passed. A reduction is of the row as it was
    /// reported, and the first holds it; a claim of more is of the row as rulings have left it.
    function _checkFree(Challenge memory opened, RowClaim calldata claim, Report memory report, bool held)
        private
        view
        returns (bool reduces)
    {
        RowRecord memory record = _records[opened.rowKey];
        reduces = opened.claimed < opened.reported && (!held || record.openReduction != 0);
        uint256 end = report.end;
        if (reduces && held) {
            // A lower claim takes the place of the open one, so that a row's own payee cannot use up its reduction.
            if (opened.claimed >= _challenges[record.openReduction].claimed) {
                revert AlreadyChallenged(record.openReduction);
            }
            end = _continue(opened, record.openReduction);
        } else if (!reduces) {
            if (record.ruled) (opened.reported, opened.amount) = (record.quantity, record.amount);
            _checkRaises(opened, claim, record);
            end += CLAIM_PERIOD;
            if (record.reopenUntil > end) end = record.reopenUntil;
            if (record.openChallenge != 0) {
                uint256 last = _continue(opened, record.openChallenge);
                if (last < end) end = last;
            }
        }
        // A report that is settled had its window end before, so one comparison is enough for reductions.
        if (block.timestamp >= end) revert ChallengeTooLate(opened.reportId, end);
    }

    /// @dev Takes over the clock of the challenge whose place this one takes; others can take its place until `end`.
    function _continue(Challenge memory opened, uint32 superseded) private view returns (uint256 end) {
        opened.disputedSince = _challenges[superseded].disputedSince;
        end = uint256(opened.disputedSince) + ARBITRATION_PERIOD;
    }

    /// @dev More is claimed than the row has, and more than an open claim by far: over twice as far from what was
    /// reported, so that a platform cannot keep an artist out with a small claim of its own, nor put rulings off long,
    /// nor take the place of a true claim with one that makes the true ruling a draw.
    function _checkRaises(Challenge memory opened, RowClaim calldata claim, RowRecord memory record) private view {
        if (opened.claimed < opened.reported) revert RowRuled(claim.licenseId, claim.tier, claim.metric);
        if (opened.claimed == opened.reported) revert NothingClaimed(claim.licenseId, claim.tier, claim.metric);
        if (record.openChallenge == 0) return;
        Challenge storage open = _challenges[record.openChallenge];
        if (opened.claimed <= 2 * uint256(open.claimed) - open.reported) {
            revert AlreadyChallenged(record.openChallenge);
        }
    }

    /// @dev Takes the row for a challenge. The one whose place it takes ends without a ruling, its bond whole.
    function _takeRow(Challenge memory opened, uint32 challengeId, bool reduces) private {
        RowRecord storage record = _records[opened.rowKey];
        uint32 superseded = reduces ? record.openReduction : record.openChallenge;
        if (reduces) record.openReduction = challengeId;
        else record.openChallenge = challengeId;
        if (superseded == 0) {
            ++_openOn[opened.reportId];
            return;
        }
        Challenge storage open = _challenges[superseded];
        open.state = ChallengeState.LAPSED;
        emit Lapsed(superseded, 0);
        VAULT.awardBond(open.challenger, open.bond);
    }

    /* RULE */

    /// @inheritdoc IDisputes
    // The vault of this deployment calls nobody on these paths.
    // slither-disable-next-line reentrancy-benign,reentrancy-events
    function rule(uint32 challengeId, uint64 quantity, bytes32 digest) external onlyArbiter {
        // Check
        Challenge memory c = _openChallenge(challengeId);
        bytes32 current = keccak256(abi.encode(c.rowKey, c.challenger, c.reported, c.claimed));
        if (digest != current) revert ChallengeMismatch(challengeId, current, digest);
        _checkRuling(challengeId, c, quantity);

        // Effect: the row's new worth, and who was nearer.
        uint64 amount = _valueOf(c, quantity);
        uint256 toReported = _distance(quantity, c.reported);
        uint256 toClaimed = _distance(quantity, c.claimed);
        _closeChallenge(challengeId, c, ChallengeState.RULED);
        _recordRuling(c, quantity, amount);

        // Interaction: this deployment's own vault.
        bool won = toClaimed < toReported;
        (uint64 paid, uint64 missing) = _execute(challengeId, c, amount, won);
        emit Ruled(challengeId, quantity, amount, paid, missing, won);
        _settleBond(c, won, toClaimed == toReported);
    }

    function _checkRuling(uint32 challengeId, Challenge memory c, uint64 quantity) private view {
        uint256 end = _arbitrationEnd(c);
        if (block.timestamp > end) revert ArbitrationOver(challengeId, end);
        (uint64 low, uint64 high) = _reduces(c) ? (c.claimed, c.reported) : (c.reported, c.claimed);
        if (quantity < low || quantity > high) revert RulingOutOfRange(challengeId, quantity, low, high);
    }

    /// @dev The arbiter has its time from when the row was first disputed, and half of it for the latest: a claim
    /// that takes another's place in the last moment neither cuts it short nor puts it off for ever.
    function _arbitrationEnd(Challenge memory c) private view returns (uint256 end) {
        end = uint256(c.disputedSince) + ARBITRATION_PERIOD;
        uint256 least = uint256(c.openedAt) + ARBITRATION_PERIOD / 2;
        if (least > end) end = least;
    }

    /// @dev A claim of more that failed leaves the row as it was; a reduction does not undo one that succeeded.
    function _recordRuling(Challenge memory c, uint64 quantity, uint64 amount) private {
        RowRecord storage record = _records[c.rowKey];
        if (_reduces(c) ? record.ruled : quantity == c.reported) return;
        record.ruled = true;
        record.quantity = quantity;
        record.amount = amount;
    }

    /// @dev Pays the row what the ruling makes of it, and takes the platform's stake if it lost.
    // The vault of this deployment calls nobody on these paths.
    // slither-disable-next-line reentrancy-benign
    function _execute(uint32 challengeId, Challenge memory c, uint64 amount, bool won)
        private
        returns (uint64 paid, uint64 missing)
    {
        uint64 stake = won ? c.bond : 0;
        if (!_reduces(c)) return _collect(challengeId, c, amount - c.amount, stake);
        _pay(c.platformId, c.splitId, amount);
        if (amount != c.amount) VAULT.release(c.platformId, c.amount - amount);
        (, missing) = _collect(challengeId, c, 0, stake);
        paid = amount;
    }

    function _distance(uint64 a, uint64 b) private pure returns (uint256) {
        return a > b ? a - b : b - a;
    }

    function _settleBond(Challenge memory c, bool won, bool drawn) private {
        if (won || drawn) {
            VAULT.awardBond(c.challenger, c.bond);
            return;
        }
        (uint64 winner, uint64 burnt) = _halves(c.bond);
        VAULT.bondToPlatform(c.platformId, winner);
        _burnBond(burnt);
    }

    /* LAPSE */

    /// @inheritdoc IDisputes
    function lapse(uint32 challengeId) external {
        // Check
        Challenge memory c = _openChallenge(challengeId);
        uint256 end = _arbitrationEnd(c);
        if (block.timestamp <= end) revert ArbitrationRunning(challengeId, end);
        // Effect
        _closeChallenge(challengeId, c, ChallengeState.LAPSED);
        uint64 held = _reduces(c) ? c.amount : 0;
        emit Lapsed(challengeId, held);
        // Interaction
        _pay(c.platformId, c.splitId, held);
        _returnUnanswered(c.challenger, c.bond);
    }

    function _openChallenge(uint32 challengeId) private view returns (Challenge memory c) {
        c = _challenges[challengeId];
        if (c.state == ChallengeState.NONE) revert UnknownChallenge(challengeId);
        if (c.state != ChallengeState.OPEN) revert ChallengeClosed(challengeId);
    }

    /// @dev Leaves the row open to claims of more for one more window, so that a platform gains no time by challenging
    /// its own row just before the end; but not for ever, because each challenge pushes the platform's thaw.
    function _closeChallenge(uint32 challengeId, Challenge memory c, ChallengeState state) private {
        _challenges[challengeId].state = state;
        --_openOn[c.reportId];
        RowRecord storage record = _records[c.rowKey];
        if (_reduces(c)) record.openReduction = 0;
        else record.openChallenge = 0;
        uint40 window = ORACLE.challengeWindow();
        uint40 last = ORACLE.reportOf(c.reportId).end + CLAIM_PERIOD + ARBITRATION_PERIOD + window;
        uint40 until = uint40(block.timestamp) + window;
        record.reopenUntil = until < last ? until : last;
    }

    /* READING */

    /// @inheritdoc IDisputes
    function leastBondOf(bytes32 reportId) public view returns (uint64) {
        return MINIMUM_BOND * uint64(1 + _openOn[reportId] / CROWD);
    }

    /// @inheritdoc IDisputes
    function challengeOf(uint32 challengeId) external view returns (Challenge memory) {
        return _challenges[challengeId];
    }

    /// @inheritdoc IDisputes
    function rowRecordOf(bytes32 reportId, uint32 licenseId, uint8 tier, uint8 metric)
        external
        view
        returns (RowRecord memory)
    {
        return _records[_rowKey(reportId, licenseId, tier, metric)];
    }

    function _rowKey(bytes32 reportId, uint32 licenseId, uint8 tier, uint8 metric) private pure returns (bytes32) {
        return keccak256(abi.encode(reportId, licenseId, tier, metric));
    }
}
