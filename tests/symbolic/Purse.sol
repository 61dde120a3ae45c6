// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {RoyaltyVault} from "../../contracts/money/RoyaltyVault.sol";

/// @title A vault whose usage oracle, disputes and grants are one account, and whose splits anyone credits
contract Purse is RoyaltyVault {
    constructor(IERC20 token, address everyone)
        RoyaltyVault(
            Config({
                token: token,
                governor: address(0x10),
                registry: address(0x11),
                grants: everyone,
                usageOracle: everyone,
                disputes: everyone,
                minimumBond: 1000,
                settlementPeriod: 10 days,
                thawPeriod: 20 days,
                closePeriod: 30 days,
                moduleDelay: 40 days
            })
        )
    {}

    function creditAll(bytes calldata credits) external returns (uint256) {
        return _creditSplits(credits);
    }

    function creditOne(uint32 splitId, uint64 amount) external {
        _creditSplit(splitId, amount);
    }
}
