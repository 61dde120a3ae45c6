// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title The dollar of development networks: six decimals, permit, anyone mints
contract TestDollar is ERC20, ERC20Permit {
    constructor() ERC20("Test Dollar", "TUSD") ERC20Permit("Test Dollar") {}

    function decimals() public pure virtual override returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @title Keeps one percent of each transfer
contract FeeDollar is TestDollar {
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            uint256 fee = value / 100;
            super._update(from, address(0), fee);
            value -= fee;
        }
        super._update(from, to, value);
    }
}

/// @title Answers false instead of reverting, and moves nothing
contract FalseDollar is TestDollar {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @title Eighteen decimals
contract WideDollar is TestDollar {
    function decimals() public pure override returns (uint8) {
        return 18;
    }
}

/// @title Refuses transfers to and from blocked accounts, as some dollars do
contract BlockingDollar is TestDollar {
    error Blocked(address account);

    mapping(address account => bool) public blocked;

    function setBlocked(address account, bool isBlocked) external {
        blocked[account] = isBlocked;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (blocked[from]) revert Blocked(from);
        if (blocked[to]) revert Blocked(to);
        super._update(from, to, value);
    }
}

interface IReceiver {
    function onDollars(uint256 amount) external;
}

/// @title Calls its recipients, as ERC-777 does
contract CallingDollar is TestDollar {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to.code.length != 0) {
            // A recipient without the hook is left alone; one whose hook reverts refuses the money.
            (bool hooked,) = to.staticcall(abi.encodeWithSignature("wantsDollars()"));
            if (hooked) IReceiver(to).onDollars(value);
        }
    }
}
