// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Payee, Position, Signed} from "../Types.sol";

/// @title Who is paid, in what share, and what they have taken
/// @notice A split's payees and shares never change; a licence may move to another split.
/// Entitlement is cumulative, `floor(received * share / 1e6)`, so the order and batching of claims change nothing.
interface ISplits {
    /// @notice A split has 1 to 64 payees.
    error PayeeCountInvalid(uint256 count);
    /// @notice The zero address, the token and the contracts of this deployment cannot be payees.
    error PayeeInvalid(address account);
    /// @notice Payees must be strictly ascending by account: `index` is not above its neighbour before.
    error PayeesNotAscending(uint256 index, address account);
    /// @notice A share is at least one part per million.
    error ShareInvalid(address account);
    /// @notice Roles are 1 to 9.
    error RoleInvalid(address account, uint8 role);
    /// @notice Shares must sum to 1 000 000.
    error SharesNotWhole(uint256 sum);
    error UnknownSplit(uint32 splitId);
    error NotPayee(uint32 splitId, address account);
    /// @notice Less is claimable than the signer asked for.
    error ClaimBelowMinimum(address account, uint64 amount, uint64 minimum);
    /// @notice Money goes neither to the zero address, nor to the token or a contract of this deployment.
    error RecipientInvalid(address to);
    /// @notice The payee lets nobody else claim for it.
    error ClaimsAreGuarded(address payee);

    /// @notice A split was stored for the first time. `digest` is its EIP-712 `hashStruct`.
    event SplitInterned(uint32 indexed splitId, bytes32 indexed digest, Payee[] payees);
    /// @notice `amount` left the vault: what `splitIds` owed the payee at this moment, and `refunds` of bonds.
    event Claimed(address indexed payee, address indexed to, uint32[] splitIds, uint64 amount, uint64 refunds);
    /// @notice The payee's later claims go to `to`; the zero address: to itself again.
    event Redirected(address indexed payee, address indexed to);
    /// @notice Only the payee itself, or its signature, claims for it from now on; or anyone again.
    event ClaimsGuarded(address indexed payee, bool guarded);

    /// @notice Stores a split once; equal splits share one id. Anyone may call it.
    /// @return splitId of this split, new or not
    function internSplit(Payee[] calldata payees) external returns (uint32 splitId);

    /// @notice Pays a payee all that the named splits owe it, and its refunds. Anyone may call it, unless the payee
    /// guards its claims; the money goes only to the payee, or to the address that the payee chose.
    /// @return amount paid, in millionths of a dollar
    function claim(address payee, uint32[] calldata splitIds) external returns (uint64 amount);

    /// @notice Pays a payee's claim to an address named in its signature, if at least `minimum` is due.
    function claimBySignature(address to, uint64 minimum, uint32[] calldata splitIds, Signed calldata by)
        external
        returns (uint64 amount);

    /// @notice Sends the caller's later claims to `to`; the zero address undoes it. For payees that cannot receive.
    function redirect(address to) external;

    /// @notice `redirect` for a signer, whom it costs no gas. Anyone may relay it.
    function redirectBySignature(address to, Signed calldata by) external;

    /// @notice Lets nobody else claim for the caller, or lets everybody again. What a payee is owed can pay the bonds
    /// of its challenges without gas or cash: guarded, nobody can claim it away before.
    function guardClaims(bool guarded) external;
    /// @notice `guardClaims` for a signer, whom it costs no gas. Anyone may relay it.
    function guardClaimsBySignature(bool guarded, Signed calldata by) external;

    /// @notice How many splits were interned; their ids are 1 to this.
    function splitCount() external view returns (uint32);
    /// @notice The id of a split by its EIP-712 digest, 0 if nobody interned it.
    function splitIdOf(bytes32 digest) external view returns (uint32);
    /// @notice All that was ever credited to a split.
    function receivedOf(uint32 splitId) external view returns (uint64);
    /// @notice A payee's share of a split in parts per million, and what it claimed of it in token units.
    function positionOf(uint32 splitId, address payee) external view returns (Position memory);
    /// @notice What a claim of these splits would pay now, refunds included.
    function claimable(address payee, uint32[] calldata splitIds) external view returns (uint64);
    /// @notice Bonds returned and won, waiting for `claim`.
    function refundOf(address account) external view returns (uint64);
    /// @notice Where a payee's claims are paid: the payee, or the address that it chose.
    function recipientOf(address payee) external view returns (address);
    /// @notice Whether a payee lets nobody else claim for it.
    function areClaimsGuarded(address payee) external view returns (bool);
}
