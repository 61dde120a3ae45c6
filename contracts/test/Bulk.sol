// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Payee} from "../Types.sol";
import {ISplits} from "../interfaces/ISplits.sol";

/// @title Hundreds of splits in one transaction, for tests that need thousands
contract BulkSplits {
    /// @notice One split for each of the accounts `first`, `first + 1`, …, who is its only payee.
    function internEach(ISplits vault, uint160 first, uint256 count) external {
        Payee[] memory payees = new Payee[](1);
        for (uint160 i = 0; i < count; ++i) {
            payees[0] = Payee({account: address(first + i), share: 1_000_000, role: 4});
            vault.internSplit(payees);
        }
    }
}
