// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow, Payee} from "../../contracts/Types.sol";
import {RoyaltyVault} from "../../contracts/money/RoyaltyVault.sol";
import {TestDollar} from "../../contracts/test/Dollars.sol";
import {Purse} from "./Purse.sol";
import {Vm} from "./Vm.sol";

/// @title Whoever may move money in a vault: two platforms, the usage oracle, the disputes, the grants, the payees
/// @dev Amounts are drawn within what there is, so that most acts go through; what the vault refuses moves nothing.
contract Everyone {
    Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    TestDollar public immutable DOLLAR = new TestDollar();
    RoyaltyVault public immutable VAULT;

    /// @notice What left the vault, and how many acts went through.
    uint256 public paidOut;
    uint256 public acts;
    uint256 private _now = 1_700_000_000;

    constructor() {
        VAULT = new Purse(DOLLAR, address(this));
        DOLLAR.mint(address(this), type(uint64).max);
        DOLLAR.approve(address(VAULT), type(uint256).max);
        VAULT.registerPlatform(new address[](0), 1000);
        VAULT.registerPlatform(new address[](0), 5000);
        for (uint32 i = 1; i <= 3; ++i) {
            Payee[] memory payees = new Payee[](2);
            payees[0] = Payee({account: payee(i), share: 333_333 * i, role: 1});
            payees[1] = Payee({account: payee(i + 1), share: 1_000_000 - 333_333 * i, role: 2});
            VAULT.internSplit(payees);
        }
    }

    modifier counted() {
        _;
        ++acts;
    }

    function payee(uint32 index) public pure returns (address) {
        return address(uint160(0x2000 + index));
    }

    function _platform(uint8 seed) private pure returns (uint32) {
        return 1 + seed % 2;
    }

    function _within(uint64 seed, uint256 most) private pure returns (uint64) {
        return uint64(seed % (most + 1));
    }

    /* PLATFORMS */

    function deposit(uint8 platform, uint40 amount) external counted {
        VAULT.deposit(_platform(platform), uint64(amount) + 1);
    }

    function addBond(uint8 platform, uint32 amount) external counted {
        VAULT.addBond(_platform(platform), uint64(amount) + 1);
    }

    function thaw(uint8 platform, uint64 amount) external counted {
        uint32 id = _platform(platform);
        VAULT.thaw(id, _within(amount, VAULT.escrowOf(id).available));
    }

    function cancelThaw(uint8 platform) external counted {
        VAULT.cancelThaw(_platform(platform));
    }

    function withdraw(uint8 platform) external counted {
        // Rather when it may be: what thawed has to be taken within days.
        uint256 thawEndsAt = VAULT.escrowOf(_platform(platform)).thawEndsAt;
        if (thawEndsAt > _now) _now = thawEndsAt;
        VM.warp(_now);
        uint256 before = DOLLAR.balanceOf(address(0x3000));
        VAULT.withdraw(_platform(platform), address(0x3000));
        paidOut += DOLLAR.balanceOf(address(0x3000)) - before;
    }

    function wait(uint24 time) external counted {
        _now += time;
        VM.warp(_now);
    }

    /* MODULES */

    function reserve(uint8 platform, uint64 amount) external counted {
        uint32 id = _platform(platform);
        Escrow memory escrow = VAULT.escrowOf(id);
        VAULT.reserve(id, _within(amount, uint256(escrow.available) + escrow.thawing));
    }

    function release(uint8 platform, uint64 amount) external counted {
        uint32 id = _platform(platform);
        VAULT.release(id, _within(amount, VAULT.reservedOf(address(this), id)));
    }

    function credit(uint8 platform, uint8 splitA, uint64 amountA, uint8 splitB, uint64 amountB) external counted {
        uint32 id = _platform(platform);
        uint64 reserved = VAULT.reservedOf(address(this), id);
        amountA = _within(amountA, reserved);
        amountB = _within(amountB, reserved - amountA);
        VAULT.credit(id, abi.encodePacked(uint32(1 + splitA % 3), amountA, uint32(1 + splitB % 3), amountB));
    }

    function seize(uint8 platform, uint48 amount) external counted {
        VAULT.seize(_platform(platform), amount);
    }

    function award(uint8 platform, uint8 to, uint64 amount) external counted {
        uint32 id = _platform(platform);
        VAULT.award(id, payee(1 + to % 4), _within(amount, VAULT.reservedOf(address(this), id)));
    }

    /* GRANTS AND CHALLENGES */

    function payIn(uint8 split, uint40 amount) external counted {
        VAULT.payIn(address(this), 1 + split % 3, amount);
    }

    function postBond(uint40 amount) external counted {
        VAULT.postBond(address(this), amount);
    }

    function postBondFromCredit(uint8 of_, uint64 amount) external counted {
        address account = payee(2 + of_ % 2);
        uint32[] memory ids = splitsOf(account);
        VAULT.postBondFromCredit(account, ids, _within(amount, VAULT.claimable(account, ids)));
    }

    function awardBond(uint8 to, uint64 amount) external counted {
        VAULT.awardBond(payee(1 + to % 4), _within(amount, VAULT.challengeBonds()));
    }

    function bondToPlatform(uint8 platform, uint64 amount) external counted {
        VAULT.bondToPlatform(_platform(platform), _within(amount, VAULT.challengeBonds()));
    }

    function bondToSplit(uint8 split, uint64 amount) external counted {
        VAULT.bondToSplit(1 + split % 3, _within(amount, VAULT.challengeBonds()));
    }

    /* PAYEES */

    function claim(uint8 of_) external counted {
        address account = payee(1 + of_ % 4);
        uint256 before = DOLLAR.balanceOf(account);
        VAULT.claim(account, splitsOf(account));
        paidOut += DOLLAR.balanceOf(account) - before;
    }

    /// @notice The splits that pay an account.
    function splitsOf(address account) public view returns (uint32[] memory ids) {
        uint32[] memory all = new uint32[](3);
        uint256 count = 0;
        for (uint32 i = 1; i <= 3; ++i) {
            if (VAULT.positionOf(i, account).share != 0) all[count++] = i;
        }
        ids = new uint32[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = all[i];
        }
    }
}

/// @title The vault keeps every unit: what came in is somebody's, or has left
contract VaultTest {
    Everyone private _everyone;

    function setUp() external {
        _everyone = new Everyone();
    }

    /// @notice Where Forge draws its acts from.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_everyone);
    }

    /// @notice Forge calls it after each run: most acts must have gone through, or the run says little.
    function afterInvariant() external view {
        assert(_everyone.acts() >= 20);
    }

    /// @dev The balance is the sum of all that the vault owes, to the unit.
    function invariant_theBalanceIsWhatIsOwed() external view {
        RoyaltyVault vault = _everyone.VAULT();
        uint256 owed = vault.challengeBonds();
        for (uint32 id = 1; id <= 2; ++id) {
            Escrow memory escrow = vault.escrowOf(id);
            owed += uint256(escrow.available) + escrow.thawing + escrow.bond;
            owed += vault.reservedOf(address(_everyone), id);
        }
        for (uint32 i = 1; i <= 4; ++i) {
            owed += vault.refundOf(_everyone.payee(i));
        }
        for (uint32 id = 1; id <= 3; ++id) {
            owed += vault.receivedOf(id) - _claimed(vault, id);
        }
        assert(_everyone.DOLLAR().balanceOf(address(vault)) == owed);
    }

    /// @dev No split pays more than it received, and what left the vault was withdrawn or claimed.
    function invariant_noSplitPaysMoreThanItReceived() external view {
        RoyaltyVault vault = _everyone.VAULT();
        for (uint32 id = 1; id <= 3; ++id) {
            assert(_claimed(vault, id) <= vault.receivedOf(id));
        }
        uint256 left = type(uint64).max - _everyone.DOLLAR().balanceOf(address(_everyone));
        assert(_everyone.DOLLAR().balanceOf(address(vault)) == left - _everyone.paidOut());
    }

    function _claimed(RoyaltyVault vault, uint32 id) private view returns (uint256) {
        return uint256(vault.positionOf(id, _everyone.payee(id)).claimed)
            + vault.positionOf(id, _everyone.payee(id + 1)).claimed;
    }
}
