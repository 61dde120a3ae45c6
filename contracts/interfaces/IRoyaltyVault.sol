// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPlatforms} from "./IPlatforms.sol";
import {ISignedActs} from "./ISignedActs.sol";
import {ISplits} from "./ISplits.sol";

/// @title All the money, and the modules that may move it
/// @notice A module spends what it reserved from a platform; it has one bucket per platform and reaches no other.
/// The usage oracle and the disputes are fixed at deployment. The governor may list others after a delay longer than
/// the thaw, and they touch a platform's money only once that platform enabled them. A platform that disables one stops
/// it from reserving; what it began it still can see through. Only the disputes may take bonds.
interface IRoyaltyVault is IPlatforms, ISplits, ISignedActs {
    error TokenInvalid(address token);
    error ConfigInvalid(string field);
    error NotGovernor(address account);
    error NotModule(address account);
    error NotDisputes(address account);
    error NotGrants(address account);
    error ModuleNotEnabled(uint32 platformId, address module);
    error ModuleNotActive(address module, uint40 activeFrom);
    error ModuleRetired(address module);
    error ReserveShort(address module, uint32 platformId, uint64 reserved, uint64 needed);
    /// @notice The module has obliged this platform to nothing that it could lift.
    error NotObliged(address module, uint32 platformId);
    error BondsShort(uint64 held, uint64 needed);
    error CreditShort(address account, uint64 amount, uint64 needed);

    /// @notice The governor listed a module; it can reserve from `activeFrom` on, seconds of Unix time.
    event ModuleListed(address indexed module, uint40 activeFrom);
    /// @notice The module reserves no more. It still pays out or releases what it reserved.
    event ModuleRetirementSet(address indexed module);
    /// @notice The platform lets the module reserve, or no longer.
    event ModuleEnabled(uint32 indexed platformId, address indexed module, bool enabled);
    /// @notice `amount` token units of the platform's escrow are in the module's bucket.
    event Reserved(address indexed module, uint32 indexed platformId, uint64 amount);
    /// @notice `amount` token units went from the module's bucket to the bucket of `to`.
    event HandedOver(address indexed module, uint32 indexed platformId, address indexed to, uint64 amount);
    /// @notice `amount` token units went from the module's bucket back to the platform's available money.
    event Released(address indexed module, uint32 indexed platformId, uint64 amount);
    /// @notice `amount` token units went from the module's bucket into splits.
    event Credited(address indexed module, uint32 indexed platformId, uint64 amount);
    /// @notice `amount` token units of escrow and bond are in the module's bucket.
    event Seized(address indexed module, uint32 indexed platformId, uint64 amount);
    /// @notice `amount` token units went from the module's bucket to the account's refunds.
    event Awarded(address indexed module, uint32 indexed platformId, address indexed account, uint64 amount);
    /// @notice `amount` token units of the account's own went into a split.
    event PaidIn(address indexed from, uint32 indexed splitId, uint64 amount);
    /// @notice How many unfunded reports and arrears the platform has now.
    event ObligationsChanged(uint32 indexed platformId, uint16 obligations);
    /// @notice A challenge bond of `amount` token units; `fromCredit`: out of what splits owed the account.
    event BondPosted(address indexed account, uint64 amount, bool fromCredit);
    /// @notice `amount` token units of challenge bonds went to the account's refunds.
    event BondAwarded(address indexed account, uint64 amount);
    /// @notice `amount` token units of challenge bonds went to the platform's available money.
    event BondToPlatform(uint32 indexed platformId, uint64 amount);
    /// @notice `amount` token units of challenge bonds went into a split.
    event BondToSplit(uint32 indexed splitId, uint64 amount);

    /* GOVERNANCE */

    /// @notice Lists a further module; it may reserve once the delay is over.
    function listModule(address module) external;
    /// @notice Stops a listed module from reserving more; what it reserved it can still pay out or release.
    function retireModule(address module) external;
    /// @notice A platform lets a listed module reserve from its escrow, or stops that. While the module is engaged it
    /// may still `seize`, `oblige` and `delayThaw`.
    function enableModule(uint32 platformId, address module, bool enabled) external;

    /* RESERVES: modules only, each its own bucket */

    /// @notice Moves available, then thawing money of a platform to the caller's bucket, and pushes a running thaw.
    /// @return enough false if the escrow is short: nothing moved then
    function reserve(uint32 platformId, uint64 amount) external returns (bool enough);
    /// @notice Moves reserved money to another module's bucket.
    function handOver(uint32 platformId, address to, uint64 amount) external;
    /// @notice Returns reserved money to the platform's available money.
    function release(uint32 platformId, uint64 amount) external;
    /// @notice Pays packed credits from the caller's bucket into splits.
    /// @return sum of the credits
    function credit(uint32 platformId, bytes calldata credits) external returns (uint64 sum);
    /// @notice Takes up to `amount` from available, thawing and bond, in this order, into the caller's bucket.
    function seize(uint32 platformId, uint64 amount) external returns (uint64 taken);
    /// @notice Pays reserved money to one account, which takes it with `claim`.
    function award(uint32 platformId, address account, uint64 amount) external;
    /// @notice Adds one obligation of the platform, or removes one that the caller added.
    function oblige(uint32 platformId, bool owed) external;
    /// @notice Pushes a running thaw, and a closing, to at least the settlement period from now.
    function delayThaw(uint32 platformId) external;

    /* FEES: the grants only */

    /// @notice Pays an account's own dollars into a split. A fee does not come out of escrow: what a platform could pay
    /// to a licence of its own without a thaw would be out of reach of rulings.
    function payIn(address from, uint32 splitId, uint64 amount) external;

    /* CHALLENGE BONDS: the disputes only */

    /// @notice Takes a challenge bond of `amount` token units from the allowance of `from`.
    function postBond(address from, uint64 amount) external;
    /// @notice Takes a bond out of what splits owe an account; what is over goes to its refunds.
    function postBondFromCredit(address account, uint32[] calldata splitIds, uint64 amount) external;
    /// @notice Pays `amount` token units of bonds to an account, which takes them with `claim`. `BondsShort`
    /// beyond what is held.
    function awardBond(address account, uint64 amount) external;
    /// @notice Pays `amount` token units of bonds into a platform's available money. `BondsShort` beyond what is
    /// held.
    function bondToPlatform(uint32 platformId, uint64 amount) external;
    /// @notice Pays `amount` token units of bonds into a split. `BondsShort` beyond what is held.
    function bondToSplit(uint32 splitId, uint64 amount) external;

    /* READING */

    /// @notice The money: an ERC-20 with six decimals whose transfers deliver exactly their amount and whose
    /// balances move by transfers alone. What delivers another amount is refused (`DepositMismatch`). It may
    /// refuse an account: only that account's claim fails then.
    function token() external view returns (IERC20);
    /// @notice Who lists and retires modules.
    function governor() external view returns (address);
    /// @notice The licence registry of this deployment: like its other contracts it cannot be paid.
    function registry() external view returns (address);
    /// @notice Who alone can pay fees into splits.
    function grants() external view returns (address);
    /// @notice The module that reserves and credits reports, for every platform.
    function usageOracle() external view returns (address);
    /// @notice The module that holds, seizes and awards, for every platform, and alone keeps challenge bonds.
    function disputes() external view returns (address);
    /// @notice The least bond of a platform that reports, in token units.
    function minimumBond() external view returns (uint64);
    /// @notice Seconds between `thaw` and `withdraw`; longer than the settlement period.
    function thawPeriod() external view returns (uint40);
    /// @notice Challenge window plus arbitration: how long money may still be needed after a report.
    function settlementPeriod() external view returns (uint40);
    /// @notice Seconds between `close` and `withdrawBond`: as long as rulings may need the bond.
    function closePeriod() external view returns (uint40);
    /// @notice Seconds between the listing of a module and its first reserve.
    function moduleDelay() external view returns (uint40);
    /// @notice Token units of a platform in a module's bucket.
    function reservedOf(address module, uint32 platformId) external view returns (uint64);
    /// @notice Token units of all challenge bonds that are held.
    function challengeBonds() external view returns (uint64);
    /// @notice From when a listed module can reserve, seconds of Unix time; zero for one that is not listed.
    function moduleActiveFrom(address module) external view returns (uint40);
    /// @notice Until when a listed module is engaged with a platform: the close period after it last reserved. It is
    /// engaged beyond that while an obligation stands that it added.
    function engagedUntil(address module, uint32 platformId) external view returns (uint40);
    /// @notice Whether a platform lets a module take from its escrow: the oracle and the disputes always.
    function isModuleEnabled(uint32 platformId, address module) external view returns (bool);
}
