// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";
import {IUsageOracle} from "../interfaces/IUsageOracle.sol";
import {DEAD} from "../Types.sol";

/// @title The arbiter, its time, and where bonds go
abstract contract Arbitration is IDisputes {
    struct Config {
        IUsageOracle usageOracle;
        address arbiter;
        uint64 minimumChallengeBond;
        uint40 arbitrationPeriod;
        uint40 claimPeriod;
    }

    /// @dev Of a bond that nobody ruled on, one part in so many burns: what holds a row for weeks is never free.
    uint64 private constant LAPSE_DIVISOR = 10;

    IUsageOracle internal immutable ORACLE;
    IRoyaltyVault internal immutable VAULT;
    ILicenseRegistry internal immutable REGISTRY;
    address private immutable GOVERNOR;
    uint64 internal immutable MINIMUM_BOND;
    uint40 internal immutable ARBITRATION_PERIOD;
    uint40 internal immutable CLAIM_PERIOD;

    /// @inheritdoc IDisputes
    address public arbiter;

    modifier onlyArbiter() {
        if (msg.sender != arbiter) revert NotArbiter(msg.sender);
        _;
    }

    constructor(Config memory config) {
        ORACLE = config.usageOracle;
        VAULT = config.usageOracle.vault();
        REGISTRY = config.usageOracle.registry();
        GOVERNOR = config.usageOracle.governor();
        MINIMUM_BOND = config.minimumChallengeBond;
        ARBITRATION_PERIOD = config.arbitrationPeriod;
        CLAIM_PERIOD = config.claimPeriod;
        uint40 window = ORACLE.challengeWindow();
        if (config.minimumChallengeBond == 0) revert ConfigInvalid("minimumChallengeBond");
        // A challenge cannot lapse, and its row be paid, while others could still challenge the row.
        if (config.arbitrationPeriod < window) revert ConfigInvalid("arbitrationPeriod");
        if (VAULT.settlementPeriod() < window + config.arbitrationPeriod) revert ConfigInvalid("settlementPeriod");
        if (VAULT.closePeriod() < config.claimPeriod + config.arbitrationPeriod) revert ConfigInvalid("closePeriod");
        _setArbiter(config.arbiter);
    }

    /// @inheritdoc IDisputes
    function setArbiter(address arbiter_) external {
        if (msg.sender != GOVERNOR) revert NotGovernor(msg.sender);
        _setArbiter(arbiter_);
    }

    function _setArbiter(address arbiter_) private {
        // Four roles, four keys. The oracle compares a later guardian and later attesters with this arbiter.
        bool taken = arbiter_ == GOVERNOR || arbiter_ == ORACLE.guardian()
            || ORACLE.isAttester(ORACLE.configVersion(), arbiter_);
        if (arbiter_ == address(0) || taken) revert ArbiterInvalid(arbiter_);
        arbiter = arbiter_;
        emit ArbiterChanged(arbiter_);
    }

    /// @dev Half of a lost bond burns, so that nobody gains by challenging itself.
    function _halves(uint64 bond) internal pure returns (uint64 winner, uint64 burnt) {
        winner = bond / 2;
        burnt = bond - winner;
    }

    function _burnBond(uint64 amount) internal {
        VAULT.awardBond(DEAD, amount);
    }

    /// @dev The arbiter did not answer.
    function _returnUnanswered(address account, uint64 bond) internal {
        uint64 lost = bond / LAPSE_DIVISOR;
        VAULT.awardBond(account, bond - lost);
        _burnBond(lost);
    }

    /// @inheritdoc IDisputes
    function governor() external view returns (address) {
        return GOVERNOR;
    }

    /// @inheritdoc IDisputes
    function minimumChallengeBond() external view returns (uint64) {
        return MINIMUM_BOND;
    }

    /// @inheritdoc IDisputes
    function arbitrationPeriod() external view returns (uint40) {
        return ARBITRATION_PERIOD;
    }

    /// @inheritdoc IDisputes
    function claimPeriod() external view returns (uint40) {
        return CLAIM_PERIOD;
    }

    /// @inheritdoc IDisputes
    function vault() external view returns (IRoyaltyVault) {
        return VAULT;
    }

    /// @inheritdoc IDisputes
    function registry() external view returns (ILicenseRegistry) {
        return REGISTRY;
    }

    /// @inheritdoc IDisputes
    function usageOracle() external view returns (IUsageOracle) {
        return ORACLE;
    }
}
