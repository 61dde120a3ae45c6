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

    /// @notice A platform exists, with a bond of `bond` token units.
    event PlatformRegistered(uint32 indexed platformId, address indexed admin, uint64 bond);
    /// @notice The administration is offered to `to`; the zero address: no longer to anybody.
    event AdminTransferStarted(uint32 indexed platformId, address indexed to);
    /// @notice `to` administers the platform from now on.
    event AdminTransferred(uint32 indexed platformId, address indexed from, address indexed to);
    /// @notice The key may sign the platform's reports, or no longer.
    event ReporterSet(uint32 indexed platformId, address indexed reporter, bool active);
    /// @notice `amount` token units are the platform's available money.
    event Deposited(uint32 indexed platformId, address indexed from, uint64 amount);
    /// @notice `amount` token units were added to the platform's bond.
    event BondAdded(uint32 indexed platformId, address indexed from, uint64 amount);
    /// @notice `amount` more token units thaw; all that thaws can be withdrawn from `endsAt` on.
    event ThawStarted(uint32 indexed platformId, uint64 amount, uint40 endsAt);
    /// @notice Thawing money is available again: its admin cancelled the thaw, or did not withdraw in time.
    event ThawCancelled(uint32 indexed platformId, uint64 amount);
    /// @notice A report or a ruling may need the money: it can be withdrawn from `endsAt` on.
    event ThawDelayed(uint32 indexed platformId, uint40 endsAt);
    /// @notice `amount` token units left the vault.
    event Withdrawn(uint32 indexed platformId, address indexed to, uint64 amount);
    /// @notice The platform reports no more; its bond can leave from `closesAt` on.
    event PlatformClosing(uint32 indexed platformId, uint40 closesAt);
    /// @notice The bond of `amount` token units left the vault.
    event BondWithdrawn(uint32 indexed platformId, address indexed to, uint64 amount);

    /// @notice Registers the caller as a platform's admin and takes its bond. Registering accepts that the
    /// usage oracle and the disputes of this deployment spend the platform's escrow by their rules.
    function registerPlatform(address[] calldata reporters, uint64 bond) external returns (uint32 platformId);
    /// @notice Offers the administration to `to`, who takes it with `acceptAdmin`.
    function transferAdmin(uint32 platformId, address to) external;
    /// @notice Takes the administration that was offered to the caller, else `AdminInvalid`.
    function acceptAdmin(uint32 platformId) external;
    /// @notice Lets a key sign the platform's reports, or no longer. For the admin. Reports already submitted
    /// stay.
    function setReporter(uint32 platformId, address reporter, bool active) external;

    /// @notice Adds `amount` token units of the caller's own to a platform's escrow. Anyone may. `AmountZero`,
    /// `UnknownPlatform`.
    function deposit(uint32 platformId, uint64 amount) external;
    /// @notice Deposits with an ERC-2612 permit of the caller; a permit that somebody relayed already does no harm.
    function depositWithPermit(uint32 platformId, uint64 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
    /// @notice Adds `amount` token units of the caller's own to a platform's bond. Anyone may. `AmountZero`,
    /// `UnknownPlatform`.
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
    /// @notice Pays the bond of a closed platform to `to`. For the admin. `PlatformOpen`, `StillThawing`,
    /// `PlatformObliged`.
    function withdrawBond(uint32 platformId, address to) external;

    /// @notice Seconds for which thawed money can be withdrawn.
    function withdrawalPeriod() external view returns (uint40);
    /// @notice How many platforms were registered; their ids are 1 to this.
    function platformCount() external view returns (uint32);
    /// @notice A platform's admin and when it closes; all zero for an unknown one.
    function platformOf(uint32 platformId) external view returns (Platform memory);
    /// @notice A platform's money outside of reserves, in token units, and its obligations.
    function escrowOf(uint32 platformId) external view returns (Escrow memory);
    /// @notice Whether a key may sign the platform's reports.
    function isReporter(uint32 platformId, address account) external view returns (bool);
}
