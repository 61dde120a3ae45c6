// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title The governor of public deployments
/// @notice OpenZeppelin's TimelockController as it is, with a delay longer than the vault's thaw: whoever disagrees
/// with a change can leave with its money before the change happens. Nobody administers it but itself.
contract Governor is TimelockController {
    constructor(uint256 minDelay, address proposer)
        TimelockController(minDelay, _one(proposer), _one(address(0)), address(0))
    {}

    /// @dev As executor the zero address means: anyone may execute what was proposed once its delay is over.
    function _one(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
