// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ChallengeState, License, RivalClaim} from "../Types.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {Arbitration} from "./Arbitration.sol";

/// @title Rival claims: whose recording is it?
/// @notice Several licences may claim one recording. A bonded claim asks the arbiter to void one of them from now on;
/// what it said in the past, and what it was paid, stays. An account has one open claim on a licence; nobody's
/// claim keeps another's out, the licensor's own least of all.
abstract contract RivalClaims is Arbitration {
    /// @inheritdoc IDisputes
    uint32 public claimCount;

    mapping(uint32 claimId => RivalClaim) private _claims;
    mapping(uint32 licenseId => mapping(address claimant => uint32 claimId)) private _openClaims;

    /// @inheritdoc IDisputes
    function claimRecording(uint32 licenseId, bytes32 evidence) external returns (uint32 claimId) {
        // Check
        License memory license = REGISTRY.licenseOf(licenseId);
        bool ended = license.endsAt != 0 && license.endsAt <= block.timestamp;
        if (license.from == 0 || ended) revert LicenseNotLive(licenseId);
        uint32 open = _openClaims[licenseId][msg.sender];
        if (open != 0) revert AlreadyClaimed(open);
        // Effect
        claimId = ++claimCount;
        _openClaims[licenseId][msg.sender] = claimId;
        _claims[claimId] = RivalClaim({
            claimant: msg.sender,
            openedAt: uint40(block.timestamp),
            licenseId: licenseId,
            state: ChallengeState.OPEN,
            bond: MINIMUM_BOND
        });
        emit RecordingClaimed(claimId, licenseId, msg.sender, MINIMUM_BOND, evidence);
        // Interaction
        VAULT.postBond(msg.sender, MINIMUM_BOND);
    }

    /// @inheritdoc IDisputes
    function ruleRecording(uint32 claimId, bool upheld) external onlyArbiter {
        RivalClaim memory claim = _open(claimId);
        uint256 end = uint256(claim.openedAt) + ARBITRATION_PERIOD;
        if (block.timestamp > end) revert ArbitrationOver(claimId, end);
        _close(claimId, claim, ChallengeState.RULED);
        License memory license = REGISTRY.licenseOf(claim.licenseId);
        emit RecordingClaimRuled(claimId, upheld);
        if (upheld) {
            VAULT.awardBond(claim.claimant, claim.bond);
            // It may have ended by itself since the claim was opened.
            if (license.endsAt == 0 || license.endsAt > block.timestamp) REGISTRY.voidLicense(claim.licenseId);
        } else {
            (uint64 winner, uint64 burnt) = _halves(claim.bond);
            VAULT.bondToSplit(license.splitId, winner);
            _burnBond(burnt);
        }
    }

    /// @inheritdoc IDisputes
    function lapseRecording(uint32 claimId) external {
        RivalClaim memory claim = _open(claimId);
        uint256 end = uint256(claim.openedAt) + ARBITRATION_PERIOD;
        if (block.timestamp <= end) revert ArbitrationRunning(claimId, end);
        _close(claimId, claim, ChallengeState.LAPSED);
        emit RecordingClaimLapsed(claimId);
        _returnUnanswered(claim.claimant, claim.bond);
    }

    function _open(uint32 claimId) private view returns (RivalClaim memory claim) {
        claim = _claims[claimId];
        if (claim.state == ChallengeState.NONE) revert UnknownClaim(claimId);
        if (claim.state != ChallengeState.OPEN) revert ClaimClosed(claimId);
    }

    function _close(uint32 claimId, RivalClaim memory claim, ChallengeState state) private {
        _claims[claimId].state = state;
        delete _openClaims[claim.licenseId][claim.claimant];
    }

    /// @inheritdoc IDisputes
    function claimOf(uint32 claimId) external view returns (RivalClaim memory) {
        return _claims[claimId];
    }
}
