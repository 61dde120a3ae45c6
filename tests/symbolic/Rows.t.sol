// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Credit, Row, Rows} from "../../contracts/libraries/Rows.sol";
import {Pricing} from "../../contracts/libraries/Pricing.sol";

/// @title What a packed row says, and where it is found
/// @dev Bytes must come in calldata: each proof calls this contract itself with what it packed.
contract RowsTest {
    using Rows for bytes;

    mapping(uint256 word => uint256 bits) private _held;

    /* ROWS */

    /// @dev Every field is read as it was packed, whatever the other rows hold.
    function check_aRowReadsAsItWasPacked(
        uint112 before,
        uint32 licenseId,
        uint8 tier,
        uint8 metric,
        uint64 quantity,
        uint112 behind
    ) external view {
        bytes memory rows = abi.encodePacked(before, licenseId, tier, metric, quantity, behind);
        Row row = this.rowAt(rows, 1);
        assert(row.licenseId() == licenseId);
        assert(row.tier() == tier);
        assert(row.metric() == metric);
        assert(row.quantity() == quantity);
        assert(row.key() == Rows.keyOf(licenseId, tier, metric));
        assert(row.kind() == uint256(tier) * 256 + metric);
    }

    /// @dev The first and the last row are read like those between them.
    function check_theEndsReadLikeTheMiddle(uint112 first, uint112 second, uint112 third) external view {
        bytes memory rows = abi.encodePacked(first, second, third);
        assert(Row.unwrap(this.rowAt(rows, 0)) == first);
        assert(Row.unwrap(this.rowAt(rows, 1)) == second);
        assert(Row.unwrap(this.rowAt(rows, 2)) == third);
    }

    /// @dev Two keys are equal only if licence, tier and metric are.
    function check_noTwoKindsOfUseShareAKey(uint32 a, uint8 tierA, uint8 metricA, uint32 b, uint8 tierB, uint8 metricB)
        external
        pure
    {
        bool same = a == b && tierA == tierB && metricA == metricB;
        assert((Rows.keyOf(a, tierA, metricA) == Rows.keyOf(b, tierB, metricB)) == same);
    }

    /// @dev Keys ascend by licence, then tier, then metric.
    function check_keysAscendByLicenceThenTierThenMetric(
        uint32 a,
        uint8 tierA,
        uint8 metricA,
        uint32 b,
        uint8 tierB,
        uint8 metricB
    ) external pure {
        bool below = a < b || (a == b && (tierA < tierB || (tierA == tierB && metricA < metricB)));
        assert((Rows.keyOf(a, tierA, metricA) < Rows.keyOf(b, tierB, metricB)) == below);
    }

    /* SEARCH */

    /// @dev In no rows nothing is found, and what is looked for would come first.
    function check_nothingIsFoundInNoRows(uint48 key) external view {
        (bool found, uint256 index) = this.find("", key);
        assert(!found && index == 0);
    }

    /// @dev In one to four ascending rows a key is found where it is, and one that is absent where it would be.
    function check_aKeyIsFoundInOneRow(uint112 a, uint48 key) external view {
        _checkFind(abi.encodePacked(a), key);
    }

    function check_aKeyIsFoundInTwoRows(uint112 a, uint112 b, uint48 key) external view {
        if (a >> 64 >= b >> 64) return;
        _checkFind(abi.encodePacked(a, b), key);
    }

    function check_aKeyIsFoundInThreeRows(uint112 a, uint112 b, uint112 c, uint48 key) external view {
        if (a >> 64 >= b >> 64 || b >> 64 >= c >> 64) return;
        _checkFind(abi.encodePacked(a, b, c), key);
    }

    function check_aKeyIsFoundInFourRows(uint112 a, uint112 b, uint112 c, uint112 d, uint48 key) external view {
        if (a >> 64 >= b >> 64 || b >> 64 >= c >> 64 || c >> 64 >= d >> 64) return;
        _checkFind(abi.encodePacked(a, b, c, d), key);
    }

    function _checkFind(bytes memory rows, uint48 key) private view {
        (bool found, uint256 index) = this.find(rows, key);
        uint256 count = rows.length / 14;
        assert(index <= count);
        if (found) assert(this.rowAt(rows, index).key() == key);
        for (uint256 i = 0; i < count; ++i) {
            uint256 current = this.rowAt(rows, i).key();
            if (i < index) assert(current < key);
            else if (i > index || !found) assert(current > key);
        }
    }

    /* CREDITS */

    /// @dev Credits read as they were written, and are exactly as long as they are many.
    function check_creditsReadAsTheyWereWritten(uint32 a, uint64 amountA, uint32 b, uint64 amountB, uint32 c, uint64 amountC)
        external
        view
    {
        bytes memory credits = _pack(a, amountA, b, amountB, c, amountC);
        assert(keccak256(credits) == keccak256(abi.encodePacked(a, amountA, b, amountB, c, amountC)));
        Credit last = this.creditAt(credits, 2);
        assert(last.splitId() == c && last.amount() == amountC);
        Credit middle = this.creditAt(credits, 1);
        assert(middle.splitId() == b && middle.amount() == amountB);
        Credit first = this.creditAt(credits, 0);
        assert(first.splitId() == a && first.amount() == amountA);
    }

    /// @dev What is left out of three credits is what is held, and the others stay in order.
    function check_onlyHeldCreditsAreLeftOut(uint96 a, uint96 b, uint96 c, uint256 held) external {
        _held[0] = held;
        bytes memory kept = this.withoutHeld(abi.encodePacked(a, b, c));
        bytes memory expected = "";
        if (held & 1 == 0) expected = abi.encodePacked(expected, a);
        if (held & 2 == 0) expected = abi.encodePacked(expected, b);
        if (held & 4 == 0) expected = abi.encodePacked(expected, c);
        assert(keccak256(kept) == keccak256(expected));
    }

    function _pack(uint32 a, uint64 amountA, uint32 b, uint64 amountB, uint32 c, uint64 amountC)
        private
        pure
        returns (bytes memory credits)
    {
        credits = Rows.newCredits(3);
        Rows.writeCredit(credits, 0, a, amountA);
        Rows.writeCredit(credits, 1, b, amountB);
        Rows.writeCredit(credits, 2, c, amountC);
    }

    /* TIERS */

    /// @dev The published weights; a tier that does not exist weighs nothing.
    function check_tierWeightsAreThePublishedOnes(uint8 tier) external pure {
        if (tier == 0) return;
        uint256 weight = Pricing.tierWeight(tier);
        if (tier == 1) assert(weight == 1);
        else if (tier <= 6) assert(weight == 2 * (uint256(tier) - 1));
        else assert(weight == 0);
    }

    /* CALLDATA */

    function rowAt(bytes calldata rows, uint256 index) external pure returns (Row) {
        return rows.rowAt(index);
    }

    function find(bytes calldata rows, uint256 key) external pure returns (bool, uint256) {
        return rows.find(key);
    }

    function creditAt(bytes calldata credits, uint256 index) external pure returns (Credit) {
        return Rows.creditAt(credits, index);
    }

    function withoutHeld(bytes calldata credits) external view returns (bytes memory) {
        return Rows.withoutHeld(credits, _held);
    }
}
