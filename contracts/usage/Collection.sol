// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Arrears, Challenge, DEAD} from "../Types.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {Arbitration} from "./Arbitration.sol";

/// @title What rulings take from platforms, now or later
abstract contract Collection is Arbitration {
    mapping(uint32 challengeId => Arrears) private _arrears;

    /// @dev Takes what the platform owes the row and, if it lost, its stake; what it cannot pay becomes arrears.
    // The vault of this deployment calls nobody on these paths.
    // slither-disable-next-line reentrancy-benign
    function _collect(uint32 challengeId, Challenge memory c, uint64 owed, uint64 stake)
        internal
        returns (uint64 paid, uint64 missing)
    {
        uint64 due = owed + stake;
        if (due == 0) return (0, 0);
        uint64 taken = VAULT.seize(c.platformId, due);
        paid = taken < owed ? taken : owed;
        _pay(c.platformId, c.splitId, paid);
        uint64 left = stake - (taken - paid);
        _payPenalty(c.platformId, c.challenger, stake, left);
        missing = due - taken;
        if (missing == 0) return (paid, 0);
        _arrears[challengeId] = Arrears({
            platformId: c.platformId,
            splitId: c.splitId,
            owed: owed - paid,
            penalty: left,
            challenger: c.challenger
        });
        VAULT.oblige(c.platformId, true);
    }

    /// @inheritdoc IDisputes
    // The vault of this deployment calls nobody on these paths.
    // slither-disable-next-line reentrancy-no-eth,reentrancy-benign,reentrancy-events
    function payArrears(uint32 challengeId, uint64 amount) external {
        // Check
        Arrears memory due = _arrears[challengeId];
        if (due.platformId == 0) revert NoArrears(challengeId);
        // Interaction: how much there is, only the vault knows.
        uint64 total = due.owed + due.penalty;
        uint64 taken = VAULT.seize(due.platformId, amount < total ? amount : total);
        if (taken == 0) revert ArrearsUnpaid(challengeId, total);
        // Effect: the row first.
        uint64 paid = taken < due.owed ? taken : due.owed;
        uint64 left = due.penalty - (taken - paid);
        if (taken == total) {
            delete _arrears[challengeId];
        } else {
            Arrears storage stored = _arrears[challengeId];
            (stored.owed, stored.penalty) = (due.owed - paid, left);
        }
        emit ArrearsPaid(challengeId, paid, taken - paid);
        // Interaction
        _pay(due.platformId, due.splitId, paid);
        _payPenalty(due.platformId, due.challenger, due.penalty, left);
        if (taken == total) VAULT.oblige(due.platformId, false);
    }

    function _pay(uint32 platformId, uint32 splitId, uint64 amount) internal {
        if (amount == 0) return;
        // Checked by its effect: the vault refuses unless exactly this credit was paid.
        // slither-disable-next-line unused-return
        VAULT.credit(platformId, abi.encodePacked(splitId, amount));
    }

    /// @dev Pays a penalty down from `before` to `left`. However it is cut into parts, the challenger gets the smaller
    /// half of the whole.
    function _payPenalty(uint32 platformId, address challenger, uint64 before, uint64 left) private {
        if (before == left) return;
        (uint64 winner, uint64 burnt) = _halves(before);
        (uint64 winnerLater, uint64 burntLater) = _halves(left);
        VAULT.award(platformId, challenger, winner - winnerLater);
        VAULT.award(platformId, DEAD, burnt - burntLater);
    }

    /// @inheritdoc IDisputes
    function arrearsOf(uint32 challengeId) external view returns (Arrears memory) {
        return _arrears[challengeId];
    }
}
