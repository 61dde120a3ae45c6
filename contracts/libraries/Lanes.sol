// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Four uint64 in one storage word
/// @notice Split `id` lives in word `id / 4`, lane `id % 4`: crediting four neighbours writes one slot.
library Lanes {
    function wordOf(uint256 id) internal pure returns (uint256) {
        return id >> 2;
    }

    function get(uint256 word, uint256 id) internal pure returns (uint64) {
        return uint64(word >> ((id & 3) << 6));
    }

    /// @notice `word` with `amount` added to the lane of `id`. A lane never spills into its neighbour: one that is full
    /// stays full and leaves out the rest.
    function add(uint256 word, uint256 id, uint256 amount) internal pure returns (uint256) {
        uint256 shift = (id & 3) << 6;
        // Cannot overflow or spill: a lane is at most 2^64 - 1, and no more is added than there is room.
        unchecked {
            uint256 room = type(uint64).max - uint64(word >> shift);
            return word + ((amount < room ? amount : room) << shift);
        }
    }
}
