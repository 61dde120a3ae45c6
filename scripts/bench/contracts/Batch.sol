// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {PaymentSplitter} from "@openzeppelin/contracts-v4/finance/PaymentSplitter.sol";
import {IERC20} from "@openzeppelin/contracts-v4/token/ERC20/IERC20.sol";

/// @title Many calls in one transaction: sets the bench up, and gives each peer the leanest batch it can have
contract Batch {
    error CallFailed(uint256 index, bytes reason);

    /// @notice Calls one contract many times.
    function each(address target, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory reason) = target.call(calls[i]);
            if (!ok) revert CallFailed(i, reason);
        }
    }

    /// @notice Plain transfers: takes the sum from the caller once and pays each.
    function pay(IERC20 token, address[] calldata payees, uint256[] calldata amounts, uint256 sum) external {
        token.transferFrom(msg.sender, address(this), sum);
        for (uint256 i = 0; i < payees.length; ++i) {
            token.transfer(payees[i], amounts[i]);
        }
    }

    /// @notice Funds each splitter and lets it pay its payees; `payees` lists the same number for each, in turn.
    function payThrough(
        IERC20 token,
        PaymentSplitter[] calldata splitters,
        uint256[] calldata amounts,
        address[] calldata payees,
        uint256 sum
    ) external {
        token.transferFrom(msg.sender, address(this), sum);
        uint256 perSplitter = payees.length / splitters.length;
        for (uint256 i = 0; i < splitters.length; ++i) {
            token.transfer(address(splitters[i]), amounts[i]);
            for (uint256 j = 0; j < perSplitter; ++j) {
                splitters[i].release(token, payees[i * perSplitter + j]);
            }
        }
    }
}
