// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Lanes} from "../../contracts/libraries/Lanes.sol";

/// @title Four amounts in one word: each is added to by itself and none spills
contract LanesTest {
    /// @dev A lane holds what it held and what was added, or is full.
    function check_aLaneReadsWhatWasAdded(uint256 word, uint256 id, uint256 amount) external pure {
        uint256 before = Lanes.get(word, id);
        uint256 room = type(uint64).max - before;
        uint256 expected = amount > room ? type(uint64).max : before + amount;
        assert(Lanes.get(Lanes.add(word, id, amount), id) == expected);
    }

    /// @dev Every other lane of the word reads as before.
    function check_noLaneSpillsIntoAnother(uint256 word, uint256 id, uint256 amount, uint256 other) external pure {
        if (id % 4 == other % 4) return;
        assert(Lanes.get(Lanes.add(word, id, amount), other) == Lanes.get(word, other));
    }

    /// @dev A split has one lane of its own: two that share a word have different lanes.
    function check_noTwoSplitsShareALane(uint32 a, uint32 b) external pure {
        assert(a == b || Lanes.wordOf(a) != Lanes.wordOf(b) || a % 4 != b % 4);
    }
}
