// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MAX_PAYEES, PPM, Payee, Position, ROLES, Signed} from "../Types.sol";
import {ISplits} from "../interfaces/ISplits.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Messages} from "../libraries/Messages.sol";
import {CREDIT_BYTES, Credit, Rows} from "../libraries/Rows.sol";
import {SignedActs} from "../libraries/SignedActs.sol";

/// @title Interned splits, their accumulators and claims
abstract contract Splits is ISplits, SignedActs, ReentrancyGuardTransient {
    /// @dev How a payee is paid: to which account (zero: itself), and whether it alone may start it. One slot.
    struct Payout {
        address to;
        bool guarded;
    }

    using SafeERC20 for IERC20;

    IERC20 internal immutable TOKEN;

    /// @inheritdoc ISplits
    uint32 public splitCount;
    /// @inheritdoc ISplits
    mapping(bytes32 digest => uint32 splitId) public splitIdOf;
    /// @inheritdoc ISplits
    mapping(address account => uint64 amount) public refundOf;

    mapping(uint256 word => uint256 lanes) private _received;
    mapping(uint32 splitId => mapping(address payee => Position)) private _positions;
    mapping(address payee => Payout) private _payouts;

    /* INTERNING */

    /// @inheritdoc ISplits
    function internSplit(Payee[] calldata payees) external returns (uint32 splitId) {
        bytes32 digest = Messages.split(payees);
        splitId = splitIdOf[digest];
        // An equal split was checked when it was interned.
        if (splitId != 0) return splitId;

        // Check and effect, payee by payee: a later refusal undoes all of it.
        if (payees.length == 0 || payees.length > MAX_PAYEES) revert PayeeCountInvalid(payees.length);
        splitId = ++splitCount;
        splitIdOf[digest] = splitId;
        address last = address(0);
        uint256 sum = 0;
        for (uint256 i = 0; i < payees.length; ++i) {
            Payee calldata payee = payees[i];
            address account = payee.account;
            if (account == address(0) || _isOwnContract(account)) revert PayeeInvalid(account);
            if (account <= last) revert PayeesNotAscending(i, account);
            if (payee.share == 0) revert ShareInvalid(account);
            if (payee.role == 0 || payee.role > ROLES) revert RoleInvalid(account, payee.role);
            last = account;
            sum += payee.share;
            Position storage position = _positions[splitId][account];
            position.share = payee.share;
            position.role = payee.role;
        }
        if (sum != PPM) revert SharesNotWhole(sum);
        // A lane opens at 1, so that the first credit of a split writes no fresh slot: a thousand fresh slots in one
        // `settle` would not fit a transaction. `receivedOf` leaves the 1 out.
        uint256 word = Lanes.wordOf(splitId);
        _received[word] = Lanes.add(_received[word], splitId, 1);
        emit SplitInterned(splitId, digest, payees);
    }

    /* CREDITING */

    /// @dev Adds packed credits to their splits and returns their sum. A split can receive 2^64 - 2 units, 18 trillion
    /// dollars; what is over stays in the vault. Only money that is paid in circles gets there, and that must not keep
    /// a report with such a split from being settled for all others. Neighbouring splits share a storage word, so a
    /// word is written only when the next credit lives in another one.
    function _creditSplits(bytes calldata credits) internal returns (uint256 sum) {
        uint256 length = credits.length / CREDIT_BYTES;
        uint256 splits = splitCount;
        uint256 current = type(uint256).max;
        uint256 lanes = 0;
        for (uint256 i = 0; i < length; ++i) {
            Credit credit = Rows.creditAt(credits, i);
            uint256 splitId = credit.splitId();
            uint256 amount = credit.amount();
            // 0 wraps to the largest number, so one comparison refuses both ends.
            unchecked {
                if (splitId - 1 >= splits) revert UnknownSplit(uint32(splitId));
            }
            uint256 word = Lanes.wordOf(splitId);
            if (word != current) {
                if (current != type(uint256).max) _received[current] = lanes;
                current = word;
                lanes = _received[word];
            }
            lanes = Lanes.add(lanes, splitId, amount);
            // Cannot overflow: fewer than 2^32 credits of less than 2^64 each.
            unchecked {
                sum += amount;
            }
        }
        if (current != type(uint256).max) _received[current] = lanes;
    }

    function _creditSplit(uint32 splitId, uint64 amount) internal {
        if (splitId == 0 || splitId > splitCount) revert UnknownSplit(splitId);
        uint256 word = Lanes.wordOf(splitId);
        _received[word] = Lanes.add(_received[word], splitId, amount);
    }

    /* CLAIMING */

    /// @inheritdoc ISplits
    function claim(address payee, uint32[] calldata splitIds) external nonReentrant returns (uint64 amount) {
        if (msg.sender != payee && _payouts[payee].guarded) revert ClaimsAreGuarded(payee);
        // No need to check the recipient: `redirect` did, and no payee is a contract of this deployment.
        return _claim(payee, recipientOf(payee), splitIds, 0);
    }

    /// @inheritdoc ISplits
    function claimBySignature(address to, uint64 minimum, uint32[] calldata splitIds, Signed calldata by)
        external
        nonReentrant
        returns (uint64 amount)
    {
        _useSignature(keccak256(abi.encode(Messages.CLAIM, by.account, to, minimum, by.nonce, by.deadline)), by);
        _checkRecipient(to);
        return _claim(by.account, to, splitIds, minimum);
    }

    function _claim(address payee, address to, uint32[] calldata splitIds, uint64 minimum)
        private
        returns (uint64 amount)
    {
        // Effect
        uint64 refunds = _takeRefunds(payee);
        amount = _collect(payee, splitIds) + refunds;
        // Check: the signer's condition, once the amount is known.
        if (amount < minimum) revert ClaimBelowMinimum(payee, amount, minimum);
        if (amount == 0) return 0;
        emit Claimed(payee, to, splitIds, amount, refunds);
        // Interaction
        TOKEN.safeTransfer(to, amount);
    }

    /// @dev Marks all that the splits owe a payee as taken. A split named twice owes nothing the second time.
    function _collect(address payee, uint32[] calldata splitIds) internal returns (uint64 amount) {
        for (uint256 i = 0; i < splitIds.length; ++i) {
            uint32 splitId = splitIds[i];
            Position storage position = _positions[splitId][payee];
            (uint64 due, uint64 entitled) = _due(position, splitId, payee);
            if (due == 0) continue;
            position.claimed = entitled;
            amount += due;
        }
    }

    function _takeRefunds(address account) internal returns (uint64 refunds) {
        refunds = refundOf[account];
        if (refunds != 0) refundOf[account] = 0;
    }

    function _due(Position storage position, uint32 splitId, address payee)
        private
        view
        returns (uint64 due, uint64 entitled)
    {
        uint256 share = position.share;
        if (share == 0) revert NotPayee(splitId, payee);
        // Fits uint64: the share is at most 1e6 parts of a uint64. Never below claimed: received only grows.
        entitled = uint64(receivedOf(splitId) * share / PPM);
        due = entitled - position.claimed;
    }

    /* REDIRECTING */

    /// @inheritdoc ISplits
    function redirect(address to) external {
        _redirect(msg.sender, to);
    }

    /// @inheritdoc ISplits
    function redirectBySignature(address to, Signed calldata by) external {
        _useSignature(keccak256(abi.encode(Messages.REDIRECT, by.account, to, by.nonce, by.deadline)), by);
        _redirect(by.account, to);
    }

    function _redirect(address payee, address to) private {
        if (to != address(0)) _checkRecipient(to);
        _payouts[payee].to = to;
        emit Redirected(payee, to);
    }

    /* GUARDING */

    /// @inheritdoc ISplits
    function guardClaims(bool guarded) external {
        _guardClaims(msg.sender, guarded);
    }

    /// @inheritdoc ISplits
    function guardClaimsBySignature(bool guarded, Signed calldata by) external {
        _useSignature(
            keccak256(abi.encode(Messages.GUARD_CLAIMS, by.account, guarded, by.nonce, by.deadline)), by
        );
        _guardClaims(by.account, guarded);
    }

    function _guardClaims(address payee, bool guarded) private {
        _payouts[payee].guarded = guarded;
        emit ClaimsGuarded(payee, guarded);
    }

    function _checkRecipient(address to) internal view {
        if (to == address(0) || _isOwnContract(to)) revert RecipientInvalid(to);
    }

    /// @dev Whether an account is a contract of this deployment or its token: none of them can pass money on.
    function _isOwnContract(address account) internal view virtual returns (bool);

    /* READING */

    /// @inheritdoc ISplits
    function receivedOf(uint32 splitId) public view returns (uint64) {
        uint64 lane = Lanes.get(_received[Lanes.wordOf(splitId)], splitId);
        // 0 is a split that nobody interned.
        return lane == 0 ? 0 : lane - 1;
    }

    /// @inheritdoc ISplits
    function positionOf(uint32 splitId, address payee) external view returns (Position memory) {
        return _positions[splitId][payee];
    }

    /// @inheritdoc ISplits
    function claimable(address payee, uint32[] calldata splitIds) external view returns (uint64 amount) {
        amount = refundOf[payee];
        for (uint256 i = 0; i < splitIds.length; ++i) {
            bool seen = false;
            for (uint256 j = 0; j < i && !seen; ++j) {
                seen = splitIds[j] == splitIds[i];
            }
            if (seen) continue;
            (uint64 due,) = _due(_positions[splitIds[i]][payee], splitIds[i], payee);
            amount += due;
        }
    }

    /// @inheritdoc ISplits
    function recipientOf(address payee) public view returns (address) {
        address to = _payouts[payee].to;
        return to == address(0) ? payee : to;
    }

    /// @inheritdoc ISplits
    function areClaimsGuarded(address payee) external view returns (bool) {
        return _payouts[payee].guarded;
    }
}
