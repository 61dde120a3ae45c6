// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Escrow} from "../Types.sol";
import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";
import {CREDIT_BYTES} from "../libraries/Rows.sol";
import {Platforms} from "./Platforms.sol";
import {Splits} from "./Splits.sol";

/// @title All the money of a deployment
/// @notice Platforms' escrow, modules' reserves, challenge bonds and what splits have earned.
contract RoyaltyVault is IRoyaltyVault, Platforms, Multicall {
    struct Config {
        IERC20 token;
        address governor;
        address registry;
        address grants;
        address usageOracle;
        address disputes;
        uint64 minimumBond;
        uint40 settlementPeriod;
        uint40 thawPeriod;
        uint40 closePeriod;
        uint40 moduleDelay;
    }

    address private immutable GOVERNOR;
    address private immutable REGISTRY;
    address private immutable GRANTS;
    address private immutable USAGE_ORACLE;
    address private immutable DISPUTES;
    uint40 private immutable MODULE_DELAY;

    /// @inheritdoc IRoyaltyVault
    uint64 public challengeBonds;
    /// @inheritdoc IRoyaltyVault
    mapping(address module => uint40) public moduleActiveFrom;
    /// @inheritdoc IRoyaltyVault
    mapping(address module => mapping(uint32 platformId => uint64)) public reservedOf;

    /// @inheritdoc IRoyaltyVault
    mapping(address module => mapping(uint32 platformId => uint40)) public engagedUntil;

    mapping(address module => bool) private _retired;
    /// @dev A module lifts only obligations of its own: no other can free a platform from what it owes.
    mapping(address module => mapping(uint32 platformId => uint16)) private _obliged;
    mapping(uint32 platformId => mapping(address module => bool)) private _enabled;

    constructor(Config memory config) EIP712("Obbligato RoyaltyVault", "1") {
        // Check: the token has code and six decimals, the clocks leave each other room.
        address token_ = address(config.token);
        if (token_.code.length == 0 || IERC20Metadata(token_).decimals() != 6) revert TokenInvalid(token_);
        if (config.governor == address(0)) revert ConfigInvalid("governor");
        if (config.registry == address(0)) revert ConfigInvalid("registry");
        if (config.grants == address(0)) revert ConfigInvalid("grants");
        if (config.usageOracle == address(0)) revert ConfigInvalid("usageOracle");
        if (config.disputes == address(0)) revert ConfigInvalid("disputes");
        if (config.thawPeriod <= config.settlementPeriod) revert ConfigInvalid("thawPeriod");
        if (config.closePeriod < config.thawPeriod) revert ConfigInvalid("closePeriod");
        if (config.moduleDelay <= config.thawPeriod) revert ConfigInvalid("moduleDelay");
        TOKEN = config.token;
        GOVERNOR = config.governor;
        REGISTRY = config.registry;
        GRANTS = config.grants;
        USAGE_ORACLE = config.usageOracle;
        DISPUTES = config.disputes;
        MINIMUM_BOND = config.minimumBond;
        SETTLEMENT_PERIOD = config.settlementPeriod;
        THAW_PERIOD = config.thawPeriod;
        CLOSE_PERIOD = config.closePeriod;
        MODULE_DELAY = config.moduleDelay;
    }

    modifier onlyModule() {
        if (!_isModule(msg.sender)) revert NotModule(msg.sender);
        _;
    }

    modifier onlyDisputes() {
        if (msg.sender != DISPUTES) revert NotDisputes(msg.sender);
        _;
    }

    modifier onlyGrants() {
        if (msg.sender != GRANTS) revert NotGrants(msg.sender);
        _;
    }

    modifier onlyGovernor() {
        if (msg.sender != GOVERNOR) revert NotGovernor(msg.sender);
        _;
    }

    /* GOVERNANCE */

    /// @inheritdoc IRoyaltyVault
    function listModule(address module) external onlyGovernor {
        if (module == address(0) || _isModule(module)) revert ConfigInvalid("module");
        uint40 activeFrom = uint40(block.timestamp) + MODULE_DELAY;
        moduleActiveFrom[module] = activeFrom;
        emit ModuleListed(module, activeFrom);
    }

    /// @inheritdoc IRoyaltyVault
    function retireModule(address module) external onlyGovernor {
        if (moduleActiveFrom[module] == 0) revert NotModule(module);
        _retired[module] = true;
        emit ModuleRetirementSet(module);
    }

    /// @inheritdoc IRoyaltyVault
    function enableModule(uint32 platformId, address module, bool enabled) external onlyAdmin(platformId) {
        if (moduleActiveFrom[module] == 0) revert NotModule(module);
        _enabled[platformId][module] = enabled;
        emit ModuleEnabled(platformId, module, enabled);
    }

    /* RESERVES */

    /// @inheritdoc IRoyaltyVault
    function reserve(uint32 platformId, uint64 amount) external onlyModule returns (bool enough) {
        // Check
        _checkOpen(platformId);
        _checkMayReserve(platformId);
        Escrow memory escrow = _escrows[platformId];
        if (escrow.obligations != 0) revert PlatformObliged(platformId, escrow.obligations);
        if (escrow.bond < MINIMUM_BOND) revert BondTooSmall(escrow.bond, MINIMUM_BOND);
        // Effect. Whatever this reserve is for can be ruled on for as long as a platform takes to close.
        if (!_isCore(msg.sender)) engagedUntil[msg.sender][platformId] = uint40(block.timestamp) + CLOSE_PERIOD;
        _delayThaw(platformId);
        if (uint256(escrow.available) + escrow.thawing < amount) return false;
        _takeEscrow(platformId, amount);
        reservedOf[msg.sender][platformId] += amount;
        emit Reserved(msg.sender, platformId, amount);
        return true;
    }

    /// @inheritdoc IRoyaltyVault
    function handOver(uint32 platformId, address to, uint64 amount) external onlyModule {
        if (!_isModule(to)) revert NotModule(to);
        _spend(platformId, amount);
        reservedOf[to][platformId] += amount;
        emit HandedOver(msg.sender, platformId, to, amount);
    }

    /// @inheritdoc IRoyaltyVault
    function release(uint32 platformId, uint64 amount) external onlyModule {
        _spend(platformId, amount);
        _escrows[platformId].available += amount;
        emit Released(msg.sender, platformId, amount);
    }

    /// @inheritdoc IRoyaltyVault
    function credit(uint32 platformId, bytes calldata credits) external onlyModule returns (uint64 sum) {
        if (credits.length % CREDIT_BYTES != 0) revert ConfigInvalid("credits");
        uint256 wide = _creditSplits(credits);
        uint64 reserved = reservedOf[msg.sender][platformId];
        // The comparison also proves that the sum fits uint64.
        if (wide > reserved) revert ReserveShort(msg.sender, platformId, reserved, uint64(wide));
        sum = uint64(wide);
        reservedOf[msg.sender][platformId] = reserved - sum;
        emit Credited(msg.sender, platformId, sum);
    }

    /// @inheritdoc IRoyaltyVault
    function seize(uint32 platformId, uint64 amount) external onlyModule returns (uint64 taken) {
        _checkMayTake(platformId);
        taken = _takeEscrow(platformId, amount);
        uint64 missing = amount - taken;
        if (missing != 0) {
            Escrow storage escrow = _escrows[platformId];
            uint64 fromBond = missing < escrow.bond ? missing : escrow.bond;
            escrow.bond -= fromBond;
            taken += fromBond;
        }
        reservedOf[msg.sender][platformId] += taken;
        emit Seized(msg.sender, platformId, taken);
    }

    /// @inheritdoc IRoyaltyVault
    function award(uint32 platformId, address account, uint64 amount) external onlyModule {
        _spend(platformId, amount);
        refundOf[account] += amount;
        emit Awarded(msg.sender, platformId, account, amount);
    }

    /// @inheritdoc IRoyaltyVault
    function oblige(uint32 platformId, bool owed) external onlyModule {
        Escrow storage escrow = _escrows[platformId];
        if (owed) {
            _checkMayTake(platformId);
            ++_obliged[msg.sender][platformId];
            ++escrow.obligations;
        } else {
            // A module may always undo what it obliged, even once it is retired.
            if (_obliged[msg.sender][platformId] == 0) revert NotObliged(msg.sender, platformId);
            --_obliged[msg.sender][platformId];
            --escrow.obligations;
        }
        emit ObligationsChanged(platformId, escrow.obligations);
    }

    /// @inheritdoc IRoyaltyVault
    function delayThaw(uint32 platformId) external onlyModule {
        _checkMayTake(platformId);
        _delayThaw(platformId);
    }

    /// @dev Takes up to `amount` from available, then thawing money.
    function _takeEscrow(uint32 platformId, uint64 amount) private returns (uint64 taken) {
        Escrow storage escrow = _escrows[platformId];
        uint64 available = escrow.available;
        uint64 fromAvailable = amount < available ? amount : available;
        escrow.available = available - fromAvailable;
        taken = fromAvailable;
        if (taken < amount) {
            uint64 thawing = escrow.thawing;
            uint64 fromThawing = amount - taken < thawing ? amount - taken : thawing;
            escrow.thawing = thawing - fromThawing;
            taken += fromThawing;
        }
    }

    function _spend(uint32 platformId, uint64 amount) private {
        uint64 reserved = reservedOf[msg.sender][platformId];
        if (reserved < amount) revert ReserveShort(msg.sender, platformId, reserved, amount);
        reservedOf[msg.sender][platformId] = reserved - amount;
    }

    /* FEES */

    /// @inheritdoc IRoyaltyVault
    /// @dev The grants pass their own caller as `from`, never another account: this spends its allowance.
    function payIn(address from, uint32 splitId, uint64 amount) external nonReentrant onlyGrants {
        _creditSplit(splitId, amount);
        emit PaidIn(from, splitId, amount);
        _pull(from, amount);
    }

    /* CHALLENGE BONDS */

    /// @inheritdoc IRoyaltyVault
    /// @dev The disputes pass their own caller as `from`, never another account: this would spend its allowance.
    function postBond(address from, uint64 amount) external nonReentrant onlyDisputes {
        challengeBonds += amount;
        emit BondPosted(from, amount, false);
        _pull(from, amount);
    }

    /// @inheritdoc IRoyaltyVault
    /// @dev Only the disputes, whose code is fixed and which act for `account` or on its signature.
    function postBondFromCredit(address account, uint32[] calldata splitIds, uint64 amount)
        external
        nonReentrant
        onlyDisputes
    {
        uint64 refunds = _takeRefunds(account);
        uint64 collected = _collect(account, splitIds) + refunds;
        if (collected < amount) revert CreditShort(account, collected, amount);
        if (collected > amount) refundOf[account] = collected - amount;
        challengeBonds += amount;
        emit Claimed(account, address(this), splitIds, collected, refunds);
        emit BondPosted(account, amount, true);
    }

    /// @inheritdoc IRoyaltyVault
    function awardBond(address account, uint64 amount) external onlyDisputes {
        _spendBond(amount);
        refundOf[account] += amount;
        emit BondAwarded(account, amount);
    }

    /// @inheritdoc IRoyaltyVault
    function bondToPlatform(uint32 platformId, uint64 amount) external onlyDisputes {
        _spendBond(amount);
        _escrows[platformId].available += amount;
        emit BondToPlatform(platformId, amount);
    }

    /// @inheritdoc IRoyaltyVault
    function bondToSplit(uint32 splitId, uint64 amount) external onlyDisputes {
        _spendBond(amount);
        _creditSplit(splitId, amount);
        emit BondToSplit(splitId, amount);
    }

    function _spendBond(uint64 amount) private {
        if (challengeBonds < amount) revert BondsShort(challengeBonds, amount);
        challengeBonds -= amount;
    }

    /* MODULES */

    function _isCore(address account) private view returns (bool) {
        return account == USAGE_ORACLE || account == DISPUTES;
    }

    function _isModule(address account) private view returns (bool) {
        return _isCore(account) || moduleActiveFrom[account] != 0;
    }

    /// @dev The calling module may hold this platform to what it began: a platform must not switch a module off before
    /// that is ruled on.
    function _checkMayTake(uint32 platformId) private view {
        if (_isCore(msg.sender)) return;
        bool engaged = block.timestamp < engagedUntil[msg.sender][platformId] || _obliged[msg.sender][platformId] != 0;
        if (!engaged || _retired[msg.sender]) _checkMayReserve(platformId);
    }

    /// @dev The calling module may begin something with this platform.
    function _checkMayReserve(uint32 platformId) private view {
        if (_isCore(msg.sender)) return;
        if (_retired[msg.sender]) revert ModuleRetired(msg.sender);
        uint40 activeFrom = moduleActiveFrom[msg.sender];
        if (block.timestamp < activeFrom) revert ModuleNotActive(msg.sender, activeFrom);
        if (!_enabled[platformId][msg.sender]) revert ModuleNotEnabled(platformId, msg.sender);
    }

    /// @inheritdoc Splits
    function _isOwnContract(address account) internal view override returns (bool) {
        return account == address(this) || account == address(TOKEN) || account == REGISTRY || account == GRANTS
            || _isCore(account);
    }

    /* READING */

    /// @inheritdoc IRoyaltyVault
    function token() external view returns (IERC20) {
        return TOKEN;
    }

    /// @inheritdoc IRoyaltyVault
    function governor() external view returns (address) {
        return GOVERNOR;
    }

    /// @inheritdoc IRoyaltyVault
    function registry() external view returns (address) {
        return REGISTRY;
    }

    /// @inheritdoc IRoyaltyVault
    function grants() external view returns (address) {
        return GRANTS;
    }

    /// @inheritdoc IRoyaltyVault
    function usageOracle() external view returns (address) {
        return USAGE_ORACLE;
    }

    /// @inheritdoc IRoyaltyVault
    function disputes() external view returns (address) {
        return DISPUTES;
    }

    /// @inheritdoc IRoyaltyVault
    function minimumBond() external view returns (uint64) {
        return MINIMUM_BOND;
    }

    /// @inheritdoc IRoyaltyVault
    function thawPeriod() external view returns (uint40) {
        return THAW_PERIOD;
    }

    /// @inheritdoc IRoyaltyVault
    function settlementPeriod() external view returns (uint40) {
        return SETTLEMENT_PERIOD;
    }

    /// @inheritdoc IRoyaltyVault
    function closePeriod() external view returns (uint40) {
        return CLOSE_PERIOD;
    }

    /// @inheritdoc IRoyaltyVault
    function moduleDelay() external view returns (uint40) {
        return MODULE_DELAY;
    }

    /// @inheritdoc IRoyaltyVault
    function isModuleEnabled(uint32 platformId, address module) external view returns (bool) {
        return _isCore(module) || _enabled[platformId][module];
    }
}
