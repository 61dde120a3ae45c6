// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Escrow, Platform} from "../Types.sol";
import {IPlatforms} from "../interfaces/IPlatforms.sol";
import {Splits} from "./Splits.sol";

/// @title Registration, deposits and the way out of a platform's money
abstract contract Platforms is IPlatforms, Splits {
    using SafeERC20 for IERC20;

    /// @dev How long thawed money can be withdrawn.
    uint40 private constant WITHDRAWAL_PERIOD = 3 days;

    uint64 internal immutable MINIMUM_BOND;
    uint40 internal immutable THAW_PERIOD;
    uint40 internal immutable SETTLEMENT_PERIOD;
    uint40 internal immutable CLOSE_PERIOD;

    /// @inheritdoc IPlatforms
    uint32 public platformCount;
    /// @inheritdoc IPlatforms
    mapping(uint32 platformId => mapping(address account => bool active)) public isReporter;

    mapping(uint32 platformId => Platform) private _platforms;
    mapping(uint32 platformId => Escrow) internal _escrows;
    mapping(uint32 platformId => address to) private _pendingAdmins;

    modifier onlyAdmin(uint32 platformId) {
        _checkAdmin(platformId);
        _;
    }

    /* REGISTRATION */

    /// @inheritdoc IPlatforms
    function registerPlatform(address[] calldata reporters, uint64 bond)
        external
        nonReentrant
        returns (uint32 platformId)
    {
        // Check
        if (bond < MINIMUM_BOND) revert BondTooSmall(bond, MINIMUM_BOND);
        // Effect
        platformId = ++platformCount;
        _platforms[platformId].admin = msg.sender;
        _escrows[platformId].bond = bond;
        emit PlatformRegistered(platformId, msg.sender, bond);
        for (uint256 i = 0; i < reporters.length; ++i) {
            _setReporter(platformId, reporters[i], true);
        }
        // Interaction
        _pull(msg.sender, bond);
    }

    /// @inheritdoc IPlatforms
    function transferAdmin(uint32 platformId, address to) external onlyAdmin(platformId) {
        _pendingAdmins[platformId] = to;
        emit AdminTransferStarted(platformId, to);
    }

    /// @inheritdoc IPlatforms
    function acceptAdmin(uint32 platformId) external {
        // Safe for an unknown platform: its pending admin is the zero address, which cannot call.
        if (_pendingAdmins[platformId] != msg.sender) revert AdminInvalid(msg.sender);
        address from = _platforms[platformId].admin;
        delete _pendingAdmins[platformId];
        _platforms[platformId].admin = msg.sender;
        emit AdminTransferred(platformId, from, msg.sender);
    }

    /// @inheritdoc IPlatforms
    function setReporter(uint32 platformId, address reporter, bool active) external onlyAdmin(platformId) {
        _setReporter(platformId, reporter, active);
    }

    function _setReporter(uint32 platformId, address reporter, bool active) private {
        isReporter[platformId][reporter] = active;
        emit ReporterSet(platformId, reporter, active);
    }

    /* MONEY IN */

    /// @inheritdoc IPlatforms
    function deposit(uint32 platformId, uint64 amount) external nonReentrant {
        _deposit(platformId, amount);
    }

    /// @inheritdoc IPlatforms
    // Guarded: a token that calls back finds every way to the money locked.
    // slither-disable-next-line reentrancy-benign
    function depositWithPermit(uint32 platformId, uint64 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // A permit that was front-run has set the allowance already; a bad one leaves the transfer below to refuse.
        // solhint-disable-next-line no-empty-blocks
        try IERC20Permit(address(TOKEN)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(platformId, amount);
    }

    function _deposit(uint32 platformId, uint64 amount) private {
        _checkKnown(platformId);
        if (amount == 0) revert AmountZero();
        _escrows[platformId].available += amount;
        emit Deposited(platformId, msg.sender, amount);
        _pull(msg.sender, amount);
    }

    /// @inheritdoc IPlatforms
    function addBond(uint32 platformId, uint64 amount) external nonReentrant {
        _checkKnown(platformId);
        if (amount == 0) revert AmountZero();
        _escrows[platformId].bond += amount;
        emit BondAdded(platformId, msg.sender, amount);
        _pull(msg.sender, amount);
    }

    /// @dev Takes exactly `amount`; every caller is `nonReentrant`, so the balance can only move by this transfer.
    function _pull(address from, uint64 amount) internal {
        uint256 before = TOKEN.balanceOf(address(this));
        // `from` is the caller, or, for a challenge bond, the caller of the disputes.
        // slither-disable-next-line arbitrary-send-erc20
        TOKEN.safeTransferFrom(from, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received != amount) revert DepositMismatch(amount, received);
    }

    /* MONEY OUT */

    /// @inheritdoc IPlatforms
    function thaw(uint32 platformId, uint64 amount) external onlyAdmin(platformId) {
        if (amount == 0) revert AmountZero();
        Escrow storage escrow = _escrows[platformId];
        if (escrow.thawing != 0 && _hasLapsed(escrow)) _freeze(platformId);
        if (escrow.available < amount) revert EscrowShort(platformId, escrow.available, amount);
        escrow.available -= amount;
        escrow.thawing += amount;
        escrow.thawEndsAt = uint40(block.timestamp) + THAW_PERIOD;
        emit ThawStarted(platformId, amount, escrow.thawEndsAt);
    }

    /// @inheritdoc IPlatforms
    function cancelThaw(uint32 platformId) external onlyAdmin(platformId) {
        if (_escrows[platformId].thawing == 0) revert NothingThawing(platformId);
        _freeze(platformId);
    }

    /// @inheritdoc IPlatforms
    function withdraw(uint32 platformId, address to) external nonReentrant onlyAdmin(platformId) {
        // Check
        Escrow storage escrow = _escrows[platformId];
        uint64 amount = escrow.thawing;
        if (escrow.obligations != 0) revert PlatformObliged(platformId, escrow.obligations);
        if (amount == 0) revert NothingThawing(platformId);
        if (block.timestamp < escrow.thawEndsAt) revert StillThawing(platformId, escrow.thawEndsAt);
        if (_hasLapsed(escrow)) revert ThawLapsed(platformId, escrow.thawEndsAt + WITHDRAWAL_PERIOD);
        _checkRecipient(to);
        // Effect
        escrow.thawing = 0;
        escrow.thawEndsAt = 0;
        emit Withdrawn(platformId, to, amount);
        // Interaction
        TOKEN.safeTransfer(to, amount);
    }

    /// @inheritdoc IPlatforms
    function close(uint32 platformId) external onlyAdmin(platformId) {
        Platform storage platform = _platforms[platformId];
        uint16 obligations = _escrows[platformId].obligations;
        if (platform.closesAt != 0) revert PlatformClosed(platformId);
        // An unfunded report could never be funded after closing, and its platform never withdraw.
        if (obligations != 0) revert PlatformObliged(platformId, obligations);
        platform.closesAt = uint40(block.timestamp) + CLOSE_PERIOD;
        emit PlatformClosing(platformId, platform.closesAt);
    }

    /// @inheritdoc IPlatforms
    function withdrawBond(uint32 platformId, address to) external nonReentrant onlyAdmin(platformId) {
        // Check
        Escrow storage escrow = _escrows[platformId];
        uint40 closesAt = _platforms[platformId].closesAt;
        uint64 amount = escrow.bond;
        if (closesAt == 0) revert PlatformOpen(platformId);
        if (block.timestamp < closesAt) revert StillThawing(platformId, closesAt);
        if (escrow.obligations != 0) revert PlatformObliged(platformId, escrow.obligations);
        if (amount == 0) revert AmountZero();
        _checkRecipient(to);
        // Effect
        escrow.bond = 0;
        emit BondWithdrawn(platformId, to, amount);
        // Interaction
        TOKEN.safeTransfer(to, amount);
    }

    /// @dev Money that a report or a ruling may need must not leave first.
    function _delayThaw(uint32 platformId) internal {
        uint40 earliest = uint40(block.timestamp) + SETTLEMENT_PERIOD;
        Escrow storage escrow = _escrows[platformId];
        if (escrow.thawing != 0 && escrow.thawEndsAt < earliest) {
            // A thaw whose days of withdrawal are over is not pushed back to life: else all of a platform's money could
            // be on its way out for ever.
            if (_hasLapsed(escrow)) {
                _freeze(platformId);
            } else {
                escrow.thawEndsAt = earliest;
                emit ThawDelayed(platformId, earliest);
            }
        }
        Platform storage platform = _platforms[platformId];
        if (platform.closesAt != 0 && platform.closesAt < earliest) {
            platform.closesAt = earliest;
            emit PlatformClosing(platformId, earliest);
        }
    }

    function _freeze(uint32 platformId) private {
        Escrow storage escrow = _escrows[platformId];
        uint64 amount = escrow.thawing;
        escrow.thawing = 0;
        escrow.thawEndsAt = 0;
        escrow.available += amount;
        emit ThawCancelled(platformId, amount);
    }

    function _hasLapsed(Escrow storage escrow) private view returns (bool) {
        return block.timestamp >= escrow.thawEndsAt + WITHDRAWAL_PERIOD;
    }

    /* READING */

    /// @inheritdoc IPlatforms
    function withdrawalPeriod() external pure returns (uint40) {
        return WITHDRAWAL_PERIOD;
    }

    /// @inheritdoc IPlatforms
    function platformOf(uint32 platformId) external view returns (Platform memory) {
        return _platforms[platformId];
    }

    /// @inheritdoc IPlatforms
    function escrowOf(uint32 platformId) external view returns (Escrow memory) {
        return _escrows[platformId];
    }

    function _checkKnown(uint32 platformId) internal view {
        if (_platforms[platformId].admin == address(0)) revert UnknownPlatform(platformId);
    }

    function _checkAdmin(uint32 platformId) internal view {
        _checkKnown(platformId);
        if (_platforms[platformId].admin != msg.sender) revert NotPlatformAdmin(platformId, msg.sender);
    }

    function _checkOpen(uint32 platformId) internal view {
        _checkKnown(platformId);
        if (_platforms[platformId].closesAt != 0) revert PlatformClosed(platformId);
    }
}
