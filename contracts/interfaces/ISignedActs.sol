// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Acts that anyone may relay once their author has signed them (EIP-712)
/// @notice Signatures are EIP-712, of an EOA, an EIP-7702 account or an ERC-1271 contract; `s` in the lower half.
interface ISignedActs {
    /// @notice The message's deadline is before this block's time.
    error SignatureExpired(address account, uint64 deadline);
    /// @notice The signature is not `account`'s signature of this message for this contract and chain.
    error SignatureInvalid(address account);
    /// @notice The nonce was used, or withdrawn by its owner.
    error NonceUsed(address account, uint256 nonce);

    /// @notice A signature with this nonce was used, or its signer withdrew it.
    event NonceConsumed(address indexed account, uint256 nonce);

    /// @notice Whether a nonce of `account` can no longer be used. Nonces are unordered.
    function isNonceUsed(address account, uint256 nonce) external view returns (bool);

    /// @notice Withdraws signatures of the caller that carry this nonce and were not relayed yet.
    function cancelNonce(uint256 nonce) external;
}
