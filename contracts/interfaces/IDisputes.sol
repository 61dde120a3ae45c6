// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arrears, Case, Challenge, RivalClaim, RowClaim, RowRecord, Signed} from "../Types.sol";
import {ILicenseRegistry} from "./ILicenseRegistry.sol";
import {IRoyaltyVault} from "./IRoyaltyVault.sol";
import {ISignedActs} from "./ISignedActs.sol";
import {IUsageOracle} from "./IUsageOracle.sol";

/// @title Challenges of single rows, rulings, and rival claims to a recording
/// @notice Overstated, understated, unlicensed and omitted use are one mechanism with one number: the quantity that the
/// challenger claims. A row that a report leaves out counts as 0.
interface IDisputes is ISignedActs {
    error ConfigInvalid(string field);
    error NotGovernor(address account);
    error NotArbiter(address account);
    /// @notice The arbiter is a known account that is neither governor, guardian nor attester.
    error ArbiterInvalid(address account);

    /// @notice Only a report whose money is reserved can be challenged.
    error NotChallengeable(bytes32 reportId);
    error RowsDigestMismatch(bytes32 expected, bytes32 actual);
    error CreditsDigestMismatch(bytes32 expected, bytes32 actual);
    error NothingClaimed(uint32 licenseId, uint8 tier, uint8 metric);
    /// @notice The time for this kind of challenge ended at `end`.
    error ChallengeTooLate(bytes32 reportId, uint256 end);
    error AlreadyChallenged(uint32 challengeId);
    /// @notice The row was reduced, or a reduction of it lapsed: it can only be claimed to be higher.
    error RowRuled(uint32 licenseId, uint8 tier, uint8 metric);
    /// @notice The terms put no price on this metric, so there is nothing to rule on.
    error NotOffered(uint32 licenseId, uint8 tier, uint8 metric);
    error ValueTooLarge(uint32 licenseId, uint8 tier, uint8 metric);
    error BondAboveMaximum(uint64 bond, uint64 maximum);
    error DocumentMismatch(uint32 licenseId, bytes32 current, bytes32 signed);
    error UnknownChallenge(uint32 challengeId);
    error ChallengeClosed(uint32 challengeId);
    /// @notice The id names another challenge than the one that was examined: a reorganisation gave it away.
    error ChallengeMismatch(uint32 challengeId, bytes32 current, bytes32 given);
    error RulingOutOfRange(uint32 challengeId, uint64 quantity, uint64 minimum, uint64 maximum);
    error ArbitrationOver(uint32 challengeId, uint256 end);
    error ArbitrationRunning(uint32 challengeId, uint256 end);
    error NoArrears(uint32 challengeId);
    /// @notice The platform has nothing that arrears could be paid from, or no amount was named.
    error ArrearsUnpaid(uint32 challengeId, uint64 missing);
    error LicenseNotLive(uint32 licenseId);
    error AlreadyClaimed(uint32 claimId);
    error UnknownClaim(uint32 claimId);
    error ClaimClosed(uint32 claimId);

    /// @notice This account rules from now on.
    event ArbiterChanged(address indexed arbiter);
    /// @notice A row is contested. Quantities in millionths of a unit, `amount` (what the row is worth so far) and
    /// `bond` in token units.
    event Challenged(
        uint32 indexed challengeId,
        bytes32 indexed reportId,
        uint32 indexed licenseId,
        uint8 tier,
        uint8 metric,
        uint64 reported,
        uint64 claimed,
        uint64 amount,
        uint32 splitId,
        address challenger,
        uint64 bond,
        bytes32 evidence
    );
    /// @notice `amount` is what the row is worth by the ruling, `paid` what its split got now, `arrears` what the
    /// platform could not pay.
    event Ruled(
        uint32 indexed challengeId, uint64 quantity, uint64 amount, uint64 paid, uint64 arrears, bool challengerWon
    );
    /// @notice It ended without a ruling: another claim took its place, and its bond returns whole; or nobody ruled in
    /// time, and a tenth of the bond burns.
    event Lapsed(uint32 indexed challengeId, uint64 paid);
    /// @notice Arrears, or a part of them: `paid` went to the row's split, `penalty` to challenger and burn.
    event ArrearsPaid(uint32 indexed challengeId, uint64 paid, uint64 penalty);
    /// @notice Somebody holds, with a bond, that the recording is not the licensor's to license.
    event RecordingClaimed(
        uint32 indexed claimId, uint32 indexed licenseId, address indexed claimant, uint64 bond, bytes32 evidence
    );
    /// @notice The arbiter ruled on the claim; `voided`: the licence ends now.
    event RecordingClaimRuled(uint32 indexed claimId, bool voided);
    /// @notice The arbiter's time ended without a ruling; nine tenths of the bond return.
    event RecordingClaimLapsed(uint32 indexed claimId);

    /* CHALLENGES */

    /// @notice Challenges one row. The bond is taken from what `bondSplits` owe the caller, or, if none is named, from
    /// its allowance.
    /// @param c the report with its rows; its credits too if the row is in it
    function challenge(Case calldata c, RowClaim calldata claim, uint32[] calldata bondSplits)
        external
        returns (uint32 challengeId);
    /// @notice Challenges for a signer, whose bond comes out of what `bondSplits` owe it: no gas, no cash.
    /// @param currentDocument the licence's document, checked where the licence had no terms a day ago: what is older
    /// no reorganisation gives away, and its licensor cannot keep a challenge out by changing the document
    function challengeBySignature(
        Case calldata c,
        RowClaim calldata claim,
        bytes32 currentDocument,
        uint64 maximumBond,
        uint32[] calldata bondSplits,
        Signed calldata by
    ) external returns (uint32 challengeId);
    /// @notice The arbiter names the quantity, between what was reported and what was claimed. It has the arbitration
    /// period from when the row was first disputed, and half of it after the latest claim at least.
    /// @param digest keccak256 of what was examined: `abi.encode(rowKey, challenger, reported, claimed)`; `rowKey` is
    /// keccak256 of `abi.encode(reportId, licenseId, tier, metric)`
    function rule(uint32 challengeId, uint64 quantity, bytes32 digest) external;
    /// @notice Ends a challenge that the arbiter left unanswered: the report stands, nine tenths of the bond return.
    /// Anyone.
    function lapse(uint32 challengeId) external;
    /// @notice Pays what a ruling left open out of the platform's money, as far as that goes: the row first, then the
    /// penalty. Anyone.
    /// @param amount at most so much, in millionths of a dollar
    function payArrears(uint32 challengeId, uint64 amount) external;

    /* RIVAL CLAIMS */

    /// @notice Claims, with the minimum bond, that a licence's recording is not its licensor's to license.
    /// Any number of accounts can claim one licence at once, each once; `AlreadyClaimed` names the caller's open claim.
    function claimRecording(uint32 licenseId, bytes32 evidence) external returns (uint32 claimId);
    /// @notice Upheld, the licence is void from now on and the bond returns; else half the bond goes to its split.
    function ruleRecording(uint32 claimId, bool upheld) external;
    /// @notice Ends a claim that the arbiter left unanswered: the licence stands, nine tenths of the bond return.
    /// Anyone.
    function lapseRecording(uint32 claimId) external;

    /* GOVERNANCE AND READING */

    /// @notice The governor names another arbiter, also for what is open now.
    function setArbiter(address newArbiter) external;
    /// @notice Who rules.
    function arbiter() external view returns (address);
    /// @notice Who names the arbiter.
    function governor() external view returns (address);
    /// @notice How many challenges were made; their ids are 1 to this.
    function challengeCount() external view returns (uint32);
    /// @notice How many recordings were claimed; the ids of claims are 1 to this.
    function claimCount() external view returns (uint32);
    /// @notice A challenge with the row's price as it was frozen; all zero for an unknown id.
    function challengeOf(uint32 challengeId) external view returns (Challenge memory);
    /// @notice A claim of a recording; all zero for an unknown id.
    function claimOf(uint32 claimId) external view returns (RivalClaim memory);
    /// @notice What a ruling left open, in token units; all zero where it left nothing.
    function arrearsOf(uint32 challengeId) external view returns (Arrears memory);
    /// @notice What rulings have made of a row of a report, and its open claim of more.
    function rowRecordOf(bytes32 reportId, uint32 licenseId, uint8 tier, uint8 metric)
        external
        view
        returns (RowRecord memory);
    /// @notice The least bond of the next challenge of a report, in token units: the minimum, and as much again for
    /// each ten challenges of the report that are open.
    function leastBondOf(bytes32 reportId) external view returns (uint64);
    /// @notice The least bond of any challenge, and the bond of a claim on a recording, in token units.
    function minimumChallengeBond() external view returns (uint64);
    /// @notice Seconds that the arbiter has for a ruling.
    function arbitrationPeriod() external view returns (uint40);
    /// @notice How long after a report's window understated use can still be claimed.
    function claimPeriod() external view returns (uint40);
    /// @notice Where bonds and contested money are.
    function vault() external view returns (IRoyaltyVault);
    /// @notice Where licences are.
    function registry() external view returns (ILicenseRegistry);
    /// @notice Whose reports are contested.
    function usageOracle() external view returns (IUsageOracle);
}
