// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Content identifiers of raw blocks
/// @notice CIDv1, raw codec, sha2-256, base32 lower without padding: the same that `ipfs add --cid-version=1` prints
/// for a file of up to 256 KiB. See https://github.com/multiformats/cid and RFC 4648 section 6.
library Cid {
    bytes32 private constant ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

    /// @notice The CID of the block with this sha-256, 59 characters with the multibase prefix `b`.
    function ofDigest(bytes32 digest) internal pure returns (string memory) {
        // 36 bytes (version, codec, hash, length, digest) are 288 bits: 57 groups of five and three bits over.
        uint256 prefix = 0x01551220;
        bytes memory out = new bytes(59);
        out[0] = "b";
        // The first 35 bits (7 characters) span the prefix and the digest's first three bits.
        uint256 head = (prefix << 3) | (uint256(digest) >> 253);
        for (uint256 i = 0; i < 7; ++i) {
            out[1 + i] = ALPHABET[(head >> (5 * (6 - i))) & 31];
        }
        // 253 bits are left: fifty groups of five, and a last one of three bits padded with two zeros.
        uint256 rest = uint256(digest) << 3;
        for (uint256 i = 0; i < 51; ++i) {
            out[8 + i] = ALPHABET[rest >> 251];
            rest <<= 5;
        }
        return string(out);
    }
}
