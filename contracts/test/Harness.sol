// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Payee, Terms, UsageReport} from "../Types.sol";
import {Cid} from "../libraries/Cid.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Messages} from "../libraries/Messages.sol";
import {Pricing} from "../libraries/Pricing.sol";
import {Credit, Row, Rows} from "../libraries/Rows.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title The libraries, one function at a time, for the golden vectors
contract Harness {
    using Rows for bytes;

    mapping(uint256 word => uint256 bits) private _held;

    function rowAt(bytes calldata rows, uint256 index)
        external
        pure
        returns (uint32 licenseId, uint8 tier, uint8 metric, uint64 quantity, uint256 key)
    {
        Row row = rows.rowAt(index);
        return (row.licenseId(), row.tier(), row.metric(), row.quantity(), row.key());
    }

    /// @notice The plain version of `rowAt`, without assembly.
    function plainRowAt(bytes calldata rows, uint256 index)
        external
        pure
        returns (uint32 licenseId, uint8 tier, uint8 metric, uint64 quantity)
    {
        bytes calldata row = rows[index * 14:index * 14 + 14];
        return (uint32(bytes4(row[0:4])), uint8(row[4]), uint8(row[5]), uint64(bytes8(row[6:14])));
    }

    function find(bytes calldata rows, uint32 licenseId, uint8 tier, uint8 metric)
        external
        pure
        returns (bool found, uint256 index)
    {
        return rows.find(Rows.keyOf(licenseId, tier, metric));
    }

    function packCredits(uint32[] calldata splitIds, uint64[] calldata amounts) external pure returns (bytes memory) {
        bytes memory credits = Rows.newCredits(splitIds.length);
        for (uint256 i = 0; i < splitIds.length; ++i) {
            Rows.writeCredit(credits, i, splitIds[i], amounts[i]);
        }
        return credits;
    }

    function creditAt(bytes calldata credits, uint256 index) external pure returns (uint32 splitId, uint64 amount) {
        Credit credit = Rows.creditAt(credits, index);
        return (credit.splitId(), credit.amount());
    }

    function withoutHeld(bytes calldata credits, uint256[] calldata heldIndexes) external returns (bytes memory) {
        for (uint256 i = 0; i < heldIndexes.length; ++i) {
            _held[heldIndexes[i] >> 8] |= 1 << (heldIndexes[i] & 255);
        }
        return Rows.withoutHeld(credits, _held);
    }

    function laneGet(uint256 word, uint256 id) external pure returns (uint64) {
        return Lanes.get(word, id);
    }

    function laneAdd(uint256 word, uint256 id, uint256 amount) external pure returns (uint256) {
        return Lanes.add(word, id, amount);
    }

    function metered(uint256 quantity, uint256 rate) external pure returns (uint256) {
        return Pricing.metered(quantity, rate);
    }

    function poolPrefix(uint256 total, uint256 cumulative, uint256 weight) external pure returns (uint256) {
        return Pricing.poolPrefix(total, cumulative, weight);
    }

    function tierWeight(uint8 tier) external pure returns (uint256) {
        return Pricing.tierWeight(tier);
    }

    function cid(bytes32 digest) external pure returns (string memory) {
        return Cid.ofDigest(digest);
    }

    function isValidSignature(address account, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return Signatures.isValid(account, digest, signature);
    }
}

/// @title Struct hashes and type hashes, for the golden vectors
contract MessagesHarness {
    function termsDigest(Terms calldata terms) external pure returns (bytes32) {
        return Messages.terms(terms);
    }

    function splitDigest(Payee[] calldata payees) external pure returns (bytes32) {
        return Messages.split(payees);
    }

    function reportHash(UsageReport calldata report) external pure returns (bytes32) {
        return Messages.usageReport(report);
    }

    function attestationHash(bytes32 reportId, uint64 configVersion) external pure returns (bytes32) {
        return Messages.attestation(reportId, configVersion);
    }

    function typeHashes() external pure returns (bytes32[18] memory) {
        return [
            Messages.RATE_CARD,
            Messages.TERMS,
            Messages.PAYEE,
            Messages.SPLIT,
            Messages.MINT,
            Messages.AMEND,
            Messages.REVOKE,
            Messages.REINSTATE,
            Messages.CHANGE_SPLIT,
            Messages.ACCEPT_SPLIT,
            Messages.APPROVE_OPERATOR,
            Messages.APPROVE_GRANT,
            Messages.CLAIM,
            Messages.REDIRECT,
            Messages.GUARD_CLAIMS,
            Messages.USAGE_REPORT,
            Messages.ATTESTATION,
            Messages.CHALLENGE
        ];
    }
}

/// @title A domain with any name, to check domain separators
contract DomainHarness is EIP712 {
    constructor(string memory name) EIP712(name, "1") {}

    function separator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}
