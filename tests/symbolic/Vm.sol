// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What Forge and halmos both offer a test beside the chain
interface Vm {
    /// @notice Leaves out every run, or every path, where the condition does not hold.
    function assume(bool condition) external pure;

    /// @notice Sets the block's time.
    function warp(uint256 time) external;
}
