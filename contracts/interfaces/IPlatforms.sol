// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow, Platform} from "../Types.sol";

/// @title Platforms and their escrow
/// @notice A platform prepays. Its money is available, thawing (on its way out, still liable), reserved, or bond.
interface IPlatforms {
    error UnknownPlatform(uint32 platformId);
    error NotPlatformAdmin(uint32 platformId, address account);
    error BondTooSmall(uint64 bond, uint64 minimum);
    error PlatformClosed(uint32 platformId);
    error PlatformOpen(uint32 platformId);
    /// @notice Unfunded reports or arrears: pay them first.
    error PlatformObliged(uint32 platformId, uint16 obligations);
    error AmountZero();
    error EscrowShort(uint32 platformId, uint64 available, uint64 needed);
    error NothingThawing(uint32 platformId);
    error StillThawing(uint32 platformId, uint40 endsAt);
    /// @notice What had thawed was not withdrawn before `end`: it has to thaw again.
    error ThawLapsed(uint32 platformId, uint40 end);
    /// @notice The token delivered another amount than was asked for (a fee on transfer, for example).
    error DepositMismatch(uint256 expected, uint256 received);
    error AdminInvalid(address account);

    event PlatformRegistered(uint32 indexed platformId, address indexed admin, uint64 bond);
    event AdminTransferStarted(uint32 indexed platformId, address indexed to);
    event AdminTransferred(uint32 indexed platformId, address indexed from, address indexed to);
    event ReporterSet(uint32 indexed platformId, address indexed reporter, bool active);
    event Deposited(uint32 indexed platformId, address indexed from, uint64 amount);
    event BondAdded(uint32 indexed platformId, address indexed from, uint64 amount);
    event ThawStarted(uint32 indexed platformId, uint64 amount, uint40 endsAt);
    /// @notice Thawing money is available again: its admin cancelled the thaw, or did not withdraw in time.
    event ThawCancelled(uint32 indexed platformId, uint64 amount);
    event ThawDelayed(uint32 indexed platformId, uint40 endsAt);
    event Withdrawn(uint32 indexed platformId, address indexed to, uint64 amount);
    event PlatformClosing(uint32 indexed platformId, uint40 closesAt);
    event BondWithdrawn(uint32 indexed platformId, address indexed to, uint64 amount);

    /// @notice Registers the caller as a platform's admin and takes its bond. Registering accepts that the
    /// usage oracle and the disputes of this deployment spend the platform's escrow by their rules.
    function registerPlatform(address[] calldata reporters, uint64 bond) external returns (uint32 platformId);
    /// @notice Offers the administration to `to`, who takes it with `acceptAdmin`.
    function transferAdmin(uint32 platformId, address to) external;
    function acceptAdmin(uint32 platformId) external;
    function setReporter(uint32 platformId, address reporter, bool active) external;

    function deposit(uint32 platformId, uint64 amount) external;
    /// @notice Deposits with an ERC-2612 permit of the caller; a permit that somebody relayed already does no harm.
    function depositWithPermit(uint32 platformId, uint64 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
    function addBond(uint32 platformId, uint64 amount) external;

    /// @notice Starts (or restarts, adding) the way out of available money, and of what lapsed.
    function thaw(uint32 platformId, uint64 amount) external;
    /// @notice Makes all thawing money available again.
    function cancelThaw(uint32 platformId) external;
    /// @notice Pays out all that has thawed, within `withdrawalPeriod` of its end; after that it has lapsed: the next
    /// thaw, report or challenge makes it available again.
    function withdraw(uint32 platformId, address to) external;
    /// @notice Ends reporting for good. The bond can leave after the time in which rulings may still need it.
    function close(uint32 platformId) external;
    function withdrawBond(uint32 platformId, address to) external;

    /// @notice Seconds for which thawed money can be withdrawn.
    function withdrawalPeriod() external view returns (uint40);
    function platformCount() external view returns (uint32);
    function platformOf(uint32 platformId) external view returns (Platform memory);
    function escrowOf(uint32 platformId) external view returns (Escrow memory);
    function isReporter(uint32 platformId, address account) external view returns (bool);
}
