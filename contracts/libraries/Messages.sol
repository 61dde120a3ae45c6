// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Payee, RateCard, Terms, UsageReport} from "../Types.sol";

/// @title Every EIP-712 message of the protocol
/// @notice Struct hashes only; each contract adds its own domain. The strings are the ones in docs/rules.md.
/// Terms and splits are nested whole, so that a wallet shows every price and payee: EIP-712's hash of a nested struct
/// is the digest that the contracts keep and are given.
library Messages {
    /* TERMS AND SPLITS */

    bytes32 internal constant RATE_CARD =
        keccak256("RateCard(uint64 trainingRun,uint64 generation,uint64 playback,uint64 grantFee)");
    bytes32 internal constant TERMS = keccak256(
        "Terms(uint8 tiers,uint16 termDays,uint16 flags,uint16 influenceCapBps,RateCard[] rates,"
        "bytes32 textDigest)"
        "RateCard(uint64 trainingRun,uint64 generation,uint64 playback,uint64 grantFee)"
    );
    bytes32 internal constant PAYEE = keccak256("Payee(address account,uint32 share,uint8 role)");
    bytes32 internal constant SPLIT =
        keccak256("Split(Payee[] payees)Payee(address account,uint32 share,uint8 role)");

    function terms(Terms calldata t) internal pure returns (bytes32) {
        bytes32[] memory cards = new bytes32[](t.rates.length);
        for (uint256 i = 0; i < cards.length; ++i) {
            RateCard calldata card = t.rates[i];
            cards[i] = keccak256(
                abi.encode(RATE_CARD, card.trainingRun, card.generation, card.playback, card.grantFee)
            );
        }
        return keccak256(
            abi.encode(
                TERMS,
                t.tiers,
                t.termDays,
                t.flags,
                t.influenceCapBps,
                keccak256(abi.encodePacked(cards)),
                t.textDigest
            )
        );
    }

    function split(Payee[] calldata payees) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](payees.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(PAYEE, payees[i].account, payees[i].share, payees[i].role));
        }
        return keccak256(abi.encode(SPLIT, keccak256(abi.encodePacked(hashes))));
    }

    /* LICENCES */

    bytes32 internal constant MINT = keccak256(
        "Mint(address account,Terms terms,Split split,bytes32 document,bytes32 content,uint256 nonce,"
        "uint64 deadline)"
        "Payee(address account,uint32 share,uint8 role)"
        "RateCard(uint64 trainingRun,uint64 generation,uint64 playback,uint64 grantFee)"
        "Split(Payee[] payees)"
        "Terms(uint8 tiers,uint16 termDays,uint16 flags,uint16 influenceCapBps,RateCard[] rates,"
        "bytes32 textDigest)"
    );
    bytes32 internal constant AMEND = keccak256(
        "Amend(address account,uint32 licenseId,bytes32 currentDocument,Terms terms,bytes32 document,"
        "uint256 nonce,uint64 deadline)"
        "RateCard(uint64 trainingRun,uint64 generation,uint64 playback,uint64 grantFee)"
        "Terms(uint8 tiers,uint16 termDays,uint16 flags,uint16 influenceCapBps,RateCard[] rates,"
        "bytes32 textDigest)"
    );
    bytes32 internal constant REVOKE = keccak256(
        "Revoke(address account,uint32 licenseId,bytes32 currentDocument,uint256 nonce,uint64 deadline)"
    );
    bytes32 internal constant REINSTATE = keccak256(
        "Reinstate(address account,uint32 licenseId,bytes32 currentDocument,uint256 nonce,uint64 deadline)"
    );
    bytes32 internal constant CHANGE_SPLIT = keccak256(
        "ChangeSplit(address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,"
        "Split toSplit,uint256 nonce,uint64 deadline)"
        "Payee(address account,uint32 share,uint8 role)"
        "Split(Payee[] payees)"
    );
    bytes32 internal constant ACCEPT_SPLIT = keccak256(
        "AcceptSplit(address account,uint32 licenseId,bytes32 currentDocument,Split fromSplit,"
        "Split toSplit,uint256 nonce,uint64 deadline)"
        "Payee(address account,uint32 share,uint8 role)"
        "Split(Payee[] payees)"
    );
    bytes32 internal constant APPROVE_OPERATOR = keccak256(
        "ApproveOperator(address account,address operator,bool approved,uint256 nonce,uint64 deadline)"
    );

    /* GRANTS */

    bytes32 internal constant APPROVE_GRANT = keccak256(
        "ApproveGrant(address account,uint32 licenseId,bytes32 currentDocument,uint8 tier,"
        "uint32 platformId,address platformAdmin,bytes32 modelId,uint64 fee,uint256 nonce,"
        "uint64 deadline)"
    );

    /* MONEY */

    bytes32 internal constant CLAIM =
        keccak256("Claim(address account,address to,uint64 minimum,uint256 nonce,uint64 deadline)");
    bytes32 internal constant REDIRECT =
        keccak256("Redirect(address account,address to,uint256 nonce,uint64 deadline)");
    bytes32 internal constant GUARD_CLAIMS =
        keccak256("GuardClaims(address account,bool guarded,uint256 nonce,uint64 deadline)");

    /* USAGE */

    bytes32 internal constant USAGE_REPORT = keccak256(
        "UsageReport(uint32 platformId,bytes32 modelId,uint64 sequence,uint32 attempt,bytes32 previous,"
        "uint64 periodStart,uint64 periodEnd,uint8 pricing,uint32 rowCount,bytes32 rowsDigest,"
        "uint64 total,bytes32 evidence,uint64 deadline)"
    );
    bytes32 internal constant ATTESTATION = keccak256("Attestation(bytes32 reportId,uint64 configVersion)");

    function usageReport(UsageReport calldata r) internal pure returns (bytes32) {
        // All thirteen fields are static, so the struct encodes to the same words as its fields in order.
        return keccak256(abi.encode(USAGE_REPORT, r));
    }

    function attestation(bytes32 reportId, uint64 configVersion) internal pure returns (bytes32) {
        return keccak256(abi.encode(ATTESTATION, reportId, configVersion));
    }

    /* DISPUTES */

    bytes32 internal constant CHALLENGE = keccak256(
        "Challenge(address account,bytes32 reportId,uint32 licenseId,bytes32 currentDocument,uint8 tier,"
        "uint8 metric,uint64 claimedQuantity,bytes32 evidence,uint64 maximumBond,uint256 nonce,"
        "uint64 deadline)"
    );
}
