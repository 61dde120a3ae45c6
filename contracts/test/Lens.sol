// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Many readings in one call, for tests that compare a whole deployment after every act
contract Lens {
    error ReadingFailed(uint256 index);

    /// @param calls packed one after the other: target 20 bytes | length 2 bytes | calldata
    function read(bytes calldata calls) external view returns (bytes[] memory answers) {
        uint256 count = 0;
        for (uint256 at = 0; at < calls.length; ++count) {
            at += 22 + _lengthAt(calls, at);
        }
        answers = new bytes[](count);
        uint256 from = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 end = from + 22 + _lengthAt(calls, from);
            (bool ok, bytes memory answer) =
                address(bytes20(calls[from:from + 20])).staticcall(calls[from + 22:end]);
            if (!ok) revert ReadingFailed(i);
            answers[i] = answer;
            from = end;
        }
    }

    function _lengthAt(bytes calldata calls, uint256 at) private pure returns (uint256) {
        return uint16(bytes2(calls[at + 20:at + 22]));
    }
}
