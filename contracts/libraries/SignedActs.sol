// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Signed} from "../Types.sol";
import {ISignedActs} from "../interfaces/ISignedActs.sol";
import {Signatures} from "./Signatures.sol";

/// @title The signature door: deadlines, unordered nonces, EOA / ERC-1271 / EIP-7702 signers
/// @dev Nonces are unordered so that two relayed acts of one artist never wait for each other.
abstract contract SignedActs is ISignedActs, EIP712 {
    mapping(address account => mapping(uint256 word => uint256 bits)) private _usedNonces;

    /// @inheritdoc ISignedActs
    function isNonceUsed(address account, uint256 nonce) external view returns (bool) {
        return (_usedNonces[account][nonce >> 8] >> (nonce & 255)) & 1 != 0;
    }

    /// @inheritdoc ISignedActs
    function cancelNonce(uint256 nonce) external {
        _useNonce(msg.sender, nonce);
    }

    /// @dev Checks a signed message and uses up its nonce.
    function _useSignature(bytes32 structHash, Signed calldata by) internal {
        // Check: in time (a deadline equal to now is), and signed by the account for this domain.
        if (block.timestamp > by.deadline) revert SignatureExpired(by.account, by.deadline);
        if (!Signatures.isValid(by.account, _hashTypedDataV4(structHash), by.signature)) {
            revert SignatureInvalid(by.account);
        }
        // Effect
        _useNonce(by.account, by.nonce);
    }

    function _useNonce(address account, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 255);
        uint256 bits = _usedNonces[account][nonce >> 8];
        if (bits & bit != 0) revert NonceUsed(account, nonce);
        _usedNonces[account][nonce >> 8] = bits | bit;
        emit NonceConsumed(account, nonce);
    }
}
