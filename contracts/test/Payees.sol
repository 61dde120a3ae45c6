// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";
import {IReceiver} from "./Dollars.sol";

/// @title A payee that refuses money
contract RevertingPayee is IReceiver {
    error Unwanted(uint256 amount);

    function wantsDollars() external pure returns (bool) {
        return true;
    }

    function onDollars(uint256 amount) external pure {
        revert Unwanted(amount);
    }

    function redirect(IRoyaltyVault vault, address to) external {
        vault.redirect(to);
    }
}

/// @title A payee that claims again while it is being paid
contract ReenteringPayee is IReceiver {
    IRoyaltyVault public immutable VAULT;
    uint32[] private _splitIds;
    bool public tried;
    bool public succeeded;

    constructor(IRoyaltyVault vault) {
        VAULT = vault;
    }

    function watch(uint32 splitId) external {
        _splitIds.push(splitId);
    }

    function wantsDollars() external pure returns (bool) {
        return true;
    }

    function onDollars(uint256) external {
        tried = true;
        try VAULT.claim(address(this), _splitIds) returns (uint64) {
            succeeded = true;
        } catch {
            succeeded = false;
        }
    }
}
