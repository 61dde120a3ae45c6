// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Payee} from "../../contracts/Types.sol";
import {Pricing} from "../../contracts/libraries/Pricing.sol";
import {TestDollar} from "../../contracts/test/Dollars.sol";
import {Purse} from "./Purse.sol";
import {Vm} from "./Vm.sol";

/// @title What use costs, and what each payee gets of it
contract MoneyTest {
    Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    TestDollar private _dollar;
    Purse private _purse;

    function setUp() external {
        _dollar = new TestDollar();
        _purse = new Purse(_dollar, address(this));
        for (uint160 i = 1; i <= 5; ++i) {
            Payee[] memory payees = new Payee[](1);
            payees[0] = Payee({account: address(0x1000 + i), share: 1_000_000, role: 1});
            _purse.internSplit(payees);
        }
    }

    /* CREDITS, PROVED */

    /// @dev One credit goes to its split, whole, and to no other.
    function check_aCreditReachesItsSplitAlone(uint64 before, uint64 amount, uint8 splitId, uint8 other) external {
        VM.assume(splitId >= 1 && splitId <= 5 && other >= 1 && other <= 5 && splitId != other);
        VM.assume(uint256(before) + amount < type(uint64).max);
        _purse.creditOne(splitId, before);
        _purse.creditOne(splitId, amount);
        assert(_purse.receivedOf(splitId) == before + amount);
        assert(_purse.receivedOf(other) == 0);
    }

    /// @dev Two credits of a report reach their splits, be they the same, neighbours or apart, and are summed.
    function check_packedCreditsReachTheirSplits(uint8 a, uint64 amountA, uint8 b, uint64 amountB, uint8 any) external {
        VM.assume(a >= 1 && a <= 5 && b >= 1 && b <= 5 && any >= 1 && any <= 5);
        VM.assume(uint256(amountA) + amountB < type(uint64).max);
        uint256 sum = _purse.creditAll(abi.encodePacked(uint32(a), amountA, uint32(b), amountB));
        assert(sum == uint256(amountA) + amountB);
        assert(_purse.receivedOf(any) == (any == a ? amountA : 0) + (any == b ? amountB : 0));
    }

    /// @dev A split that is full stays full, and its neighbours are left alone.
    function check_aFullSplitStaysFull(uint64 before, uint64 amount) external {
        VM.assume(uint256(before) + amount >= type(uint64).max - 1);
        _purse.creditOne(1, before);
        _purse.creditOne(1, amount);
        assert(_purse.receivedOf(1) == type(uint64).max - 1);
        assert(_purse.receivedOf(2) == 0 && _purse.receivedOf(3) == 0);
    }

    /* PRICES, PROVED */

    /// @dev A metered price is the exact product rounded down.
    function check_aMeteredPriceIsRoundedDown(uint64 quantity, uint64 rate) external pure {
        uint256 price = Pricing.metered(quantity, rate);
        uint256 exact = uint256(quantity) * rate;
        assert(price * 1_000_000 <= exact && exact < (price + 1) * 1_000_000);
    }

    /// @dev A pool's prefix never falls, and ends at the total: what rows get is never negative and sums to the unit.
    function check_aPoolPrefixNeverFalls(uint64 total, uint80 low, uint80 high, uint80 weight) external pure {
        VM.assume(low <= high && high <= weight && weight != 0);
        uint256 first = Pricing.poolPrefix(total, low, weight);
        uint256 second = Pricing.poolPrefix(total, high, weight);
        assert(first <= second && second <= total);
    }

    function check_aPoolPrefixEndsAtTheTotal(uint64 total, uint80 weight) external pure {
        VM.assume(weight != 0);
        assert(Pricing.poolPrefix(total, 0, weight) == 0);
        assert(Pricing.poolPrefix(total, weight, weight) == total);
    }

    /* SPLITS, FUZZED */

    /// @dev The floors of two shares of one amount never exceed it, and leave at most one unit.
    function testFuzz_twoSharesNeverExceedTheWhole(uint64 received, uint32 share) external pure {
        share %= 1_000_001;
        uint256 first = uint256(received) * share / 1_000_000;
        uint256 second = uint256(received) * (1_000_000 - share) / 1_000_000;
        assert(first + second <= received && received <= first + second + 1);
    }

    /// @dev Three payees claim in any order, between credits: each has its floor in the end, and all together no more
    /// than came in and at most two units less.
    function testFuzz_claimsSumToWhatCameIn(uint32 shareA, uint32 shareB, uint40[4] memory amounts, uint8[4] memory who)
        external
    {
        shareA = 1 + shareA % 999_998;
        shareB = 1 + shareB % (999_999 - shareA);
        uint32[3] memory shares = [shareA, shareB, 1_000_000 - shareA - shareB];
        Payee[] memory payees = new Payee[](3);
        for (uint160 i = 0; i < 3; ++i) {
            payees[i] = Payee({account: address(0x2000 + i), share: shares[i], role: 1});
        }
        uint32[] memory ids = new uint32[](1);
        ids[0] = _purse.internSplit(payees);
        uint256 received = 0;
        for (uint256 i = 0; i < 4; ++i) {
            _dollar.mint(address(_purse), amounts[i]);
            _purse.creditOne(ids[0], amounts[i]);
            received += amounts[i];
            _purse.claim(payees[who[i] % 3].account, ids);
        }
        uint256 paid = 0;
        for (uint256 i = 0; i < 3; ++i) {
            _purse.claim(payees[i].account, ids);
            _purse.claim(payees[i].account, ids);
            uint256 got = _dollar.balanceOf(payees[i].account);
            assert(got == received * shares[i] / 1_000_000);
            paid += got;
        }
        assert(paid <= received && received - paid <= 2);
        assert(_dollar.balanceOf(address(_purse)) == received - paid);
    }

    /// @dev A pool of five rows pays its total to the unit, whatever the weights.
    function testFuzz_aPoolPaysItsTotal(uint64 total, uint64[5] memory weights) external pure {
        uint256 weight = 0;
        for (uint256 i = 0; i < 5; ++i) weight += weights[i];
        VM.assume(weight != 0);
        uint256 cumulative = 0;
        uint256 before = 0;
        uint256 paid = 0;
        for (uint256 i = 0; i < 5; ++i) {
            cumulative += weights[i];
            uint256 upTo = Pricing.poolPrefix(total, cumulative, weight);
            // A row is within one unit of its exact part.
            assert((upTo - before) * weight < uint256(total) * weights[i] + weight);
            assert((upTo - before + 1) * weight > uint256(total) * weights[i]);
            paid += upTo - before;
            before = upTo;
        }
        assert(paid == total);
    }
}
