// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";

/// @title A further module of the vault, as the root lane will be one
contract TestModule {
    IRoyaltyVault public immutable VAULT;

    constructor(IRoyaltyVault vault) {
        VAULT = vault;
    }

    function reserve(uint32 platformId, uint64 amount) external returns (bool) {
        return VAULT.reserve(platformId, amount);
    }

    function credit(uint32 platformId, bytes calldata credits) external returns (uint64) {
        return VAULT.credit(platformId, credits);
    }

    function release(uint32 platformId, uint64 amount) external {
        VAULT.release(platformId, amount);
    }

    function handOver(uint32 platformId, address to, uint64 amount) external {
        VAULT.handOver(platformId, to, amount);
    }

    function seize(uint32 platformId, uint64 amount) external returns (uint64) {
        return VAULT.seize(platformId, amount);
    }

    function award(uint32 platformId, address account, uint64 amount) external {
        VAULT.award(platformId, account, amount);
    }

    function oblige(uint32 platformId, bool owed) external {
        VAULT.oblige(platformId, owed);
    }

    function delayThaw(uint32 platformId) external {
        VAULT.delayThaw(platformId);
    }

    function postBond(address from, uint64 amount) external {
        VAULT.postBond(from, amount);
    }
}
