"""The model's money: the token, platforms, modules and their buckets, splits and claims, bonds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.contracts.stateful.model_state import State
from tests.contracts.stateful.records import (
    WITHDRAWAL_PERIOD,
    ZERO,
    Credit,
    Platform,
    Split,
    refuse,
)


class Money(State):
    """Who owns what."""

    # ---- the token --------------------------------------------------------------------------------------------------

    def mint_dollars(self, account: str, amount: int) -> None:
        self.wallets[account] += amount

    def send_to_vault(self, account: str, amount: int) -> None:
        """A transfer past the contracts: nobody's money, for ever."""
        refuse("ERC20InsufficientBalance", when=self.wallets[account] < amount)
        self.wallets[account] -= amount
        self.surplus += amount

    def _pull(self, account: str, amount: int) -> None:
        refuse("ERC20InsufficientBalance", when=self.wallets[account] < amount)
        self.wallets[account] -= amount

    def _check_recipient(self, to: str) -> None:
        contracts = (
            self.at.vault,
            self.at.registry,
            self.at.grants,
            self.at.oracle,
            self.at.disputes,
        )
        refuse("RecipientInvalid", when=to in (ZERO, self.at.token, *contracts))

    # ---- platforms --------------------------------------------------------------------------------------------------

    def register(self, admin: str, reporters: Iterable[str], bond: int) -> int:
        refuse("BondTooSmall", when=bond < self.parameters.minimum_bond)
        self._pull(admin, bond)
        platform_id = len(self.platforms) + 1
        self.platforms[platform_id] = Platform(admin, set(reporters), bond=bond)
        return platform_id

    def set_reporter(self, by: str, platform_id: int, reporter: str, active: bool) -> None:
        platform = self._administered(platform_id, by)
        (platform.reporters.add if active else platform.reporters.discard)(reporter)

    def deposit(self, by: str, platform_id: int, amount: int) -> None:
        platform = self._known(platform_id)
        refuse("AmountZero", when=amount == 0)
        self._pull(by, amount)
        platform.available += amount

    def add_bond(self, by: str, platform_id: int, amount: int) -> None:
        platform = self._known(platform_id)
        refuse("AmountZero", when=amount == 0)
        self._pull(by, amount)
        platform.bond += amount

    def thaw(self, by: str, platform_id: int, amount: int) -> None:
        platform = self._administered(platform_id, by)
        refuse("AmountZero", when=amount == 0)
        lapsed = platform.thawing if self._has_lapsed(platform) else 0
        refuse("EscrowShort", when=platform.available + lapsed < amount)
        self._freeze_lapsed(platform)
        platform.available -= amount
        platform.thawing += amount
        platform.thaw_ends_at = self.now + self.parameters.thaw_period

    def cancel_thaw(self, by: str, platform_id: int) -> None:
        platform = self._administered(platform_id, by)
        refuse("NothingThawing", when=platform.thawing == 0)
        self._freeze(platform)

    def _freeze(self, platform: Platform) -> None:
        platform.available += platform.thawing
        platform.thawing = platform.thaw_ends_at = 0

    def _has_lapsed(self, platform: Platform) -> bool:
        return platform.thawing > 0 and self.now >= platform.thaw_ends_at + WITHDRAWAL_PERIOD

    def _freeze_lapsed(self, platform: Platform) -> None:
        if self._has_lapsed(platform):
            self._freeze(platform)

    def withdraw(self, by: str, platform_id: int, to: str) -> None:
        platform = self._administered(platform_id, by)
        refuse("PlatformObliged", when=platform.obligations != 0)
        refuse("NothingThawing", when=platform.thawing == 0)
        refuse("StillThawing", when=self.now < platform.thaw_ends_at)
        refuse("ThawLapsed", when=self._has_lapsed(platform))
        self._check_recipient(to)
        self.wallets[to] += platform.thawing
        platform.thawing = platform.thaw_ends_at = 0

    def close(self, by: str, platform_id: int) -> None:
        platform = self._administered(platform_id, by)
        refuse("PlatformClosed", when=platform.closes_at != 0)
        refuse("PlatformObliged", when=platform.obligations != 0)
        platform.closes_at = self.now + self.parameters.close_period

    def withdraw_bond(self, by: str, platform_id: int, to: str) -> None:
        platform = self._administered(platform_id, by)
        refuse("PlatformOpen", when=platform.closes_at == 0)
        refuse("StillThawing", when=self.now < platform.closes_at)
        refuse("PlatformObliged", when=platform.obligations != 0)
        refuse("AmountZero", when=platform.bond == 0)
        self._check_recipient(to)
        self.wallets[to] += platform.bond
        platform.bond = 0

    def _known(self, platform_id: int) -> Platform:
        refuse("UnknownPlatform", when=platform_id not in self.platforms)
        return self.platforms[platform_id]

    def _administered(self, platform_id: int, by: str) -> Platform:
        platform = self._known(platform_id)
        refuse("NotPlatformAdmin", when=platform.admin != by)
        return platform

    def _delay_thaw(self, platform: Platform) -> None:
        earliest = self.now + self.parameters.settlement_period
        self._freeze_lapsed(platform)
        if platform.thawing:
            platform.thaw_ends_at = max(platform.thaw_ends_at, earliest)
        if platform.closes_at:
            platform.closes_at = max(platform.closes_at, earliest)

    # ---- modules and their buckets ----------------------------------------------------------------------------------

    def list_module(self, by: str, module: str) -> None:
        refuse("NotGovernor", when=by != self.at.governor)
        refuse(
            "ConfigInvalid", when=module == ZERO or module in self.core or module in self.modules
        )
        self.modules[module] = self.now + self.parameters.module_delay

    def retire_module(self, by: str, module: str) -> None:
        refuse("NotGovernor", when=by != self.at.governor)
        refuse("NotModule", when=module not in self.modules)
        self.retired.add(module)

    def enable_module(self, by: str, platform_id: int, module: str, enabled: bool) -> None:
        platform = self._administered(platform_id, by)
        refuse("NotModule", when=module not in self.modules)
        (platform.enabled.add if enabled else platform.enabled.discard)(module)

    def _check_module(self, module: str) -> None:
        refuse("NotModule", when=module not in self.core and module not in self.modules)

    def _check_may_take(self, module: str, platform_id: int) -> None:
        engaged = (
            self.now < self.engaged_until[module, platform_id]
            or self.obliged[module, platform_id] > 0
        )
        if not engaged or module in self.retired:
            self._check_may_reserve(module, platform_id)

    def _check_may_reserve(self, module: str, platform_id: int) -> None:
        if module in self.core:
            return
        refuse("ModuleRetired", when=module in self.retired)
        refuse("ModuleNotActive", when=self.now < self.modules[module])
        enabled = platform_id in self.platforms and module in self.platforms[platform_id].enabled
        refuse("ModuleNotEnabled", when=not enabled)

    def _check_reserve(
        self, module: str, platform_id: int, amount: int, obligations: int = 0
    ) -> bool:
        """Whether the money is there; `obligations` are about to be lifted."""
        self._check_module(module)
        platform = self._known(platform_id)
        refuse("PlatformClosed", when=platform.closes_at != 0)
        self._check_may_reserve(module, platform_id)
        refuse("PlatformObliged", when=platform.obligations - obligations != 0)
        refuse("BondTooSmall", when=platform.bond < self.parameters.minimum_bond)
        return platform.available + platform.thawing >= amount

    def reserve(self, module: str, platform_id: int, amount: int) -> bool:
        enough = self._check_reserve(module, platform_id, amount)
        self.engaged_until[module, platform_id] = self.now + self.parameters.close_period
        self._delay_thaw(self.platforms[platform_id])
        if enough:
            self._take(module, platform_id, amount)
        return enough

    def _take(self, module: str, platform_id: int, amount: int, bond: bool = False) -> int:
        """Up to `amount`, from available, thawing and, if asked, bond: into the module's bucket."""
        platform = self.platforms[platform_id]
        taken = 0
        for purse in ("available", "thawing", *(["bond"] if bond else [])):
            part = min(amount - taken, getattr(platform, purse))
            setattr(platform, purse, getattr(platform, purse) - part)
            taken += part
        self.buckets[module, platform_id] += taken
        return taken

    def _spend(self, module: str, platform_id: int, amount: int) -> None:
        refuse("ReserveShort", when=self.buckets[module, platform_id] < amount)
        self.buckets[module, platform_id] -= amount

    def release(self, module: str, platform_id: int, amount: int) -> None:
        self._check_module(module)
        self._spend(module, platform_id, amount)
        self.platforms[platform_id].available += amount

    def credit(self, module: str, platform_id: int, credits_: Sequence[Credit]) -> None:
        self._check_module(module)
        refuse("UnknownSplit", when=any(split_id not in self.splits for split_id, _ in credits_))
        self._spend(module, platform_id, sum(amount for _, amount in credits_))
        for split_id, amount in credits_:
            self.splits[split_id].received += amount

    def award(self, module: str, platform_id: int, account: str, amount: int) -> None:
        self._check_module(module)
        self._spend(module, platform_id, amount)
        self.refunds[account] += amount

    def seize(self, module: str, platform_id: int, amount: int) -> int:
        self._check_module(module)
        self._check_may_take(module, platform_id)
        return self._take(module, platform_id, amount, bond=True)

    def oblige(self, module: str, platform_id: int, owed: bool) -> None:
        self._check_module(module)
        if owed:
            self._check_may_take(module, platform_id)
        else:
            refuse("NotObliged", when=self.obliged[module, platform_id] == 0)
        self.obliged[module, platform_id] += 1 if owed else -1
        self.platforms[platform_id].obligations += 1 if owed else -1

    def delay_thaw(self, module: str, platform_id: int) -> None:
        self._check_module(module)
        self._check_may_take(module, platform_id)
        self._delay_thaw(self.platforms[platform_id])

    # ---- splits and claims ------------------------------------------------------------------------------------------

    def intern_split(self, digest: bytes, shares: dict[str, int]) -> int:
        if digest not in self.split_ids:
            self.split_ids[digest] = len(self.splits) + 1
            self.splits[len(self.splits) + 1] = Split(dict(shares))
        return self.split_ids[digest]

    def due(self, account: str, split_ids: Iterable[int]) -> int:
        """What distinct splits owe an account."""
        total = 0
        for split_id in dict.fromkeys(split_ids):
            split = self.splits.get(split_id)
            refuse("NotPayee", when=split is None or account not in split.shares)
            total += split.due(account)
        return total

    def _mark_claimed(self, account: str, split_ids: Iterable[int]) -> None:
        for split_id in split_ids:
            split = self.splits[split_id]
            split.claimed[account] = split.entitlement(account)
        self.refunds[account] = 0

    def claim(
        self, account: str, split_ids: Sequence[int], to: str | None = None, minimum: int = 0
    ) -> int:
        to = self.recipients.get(account, account) if to is None else to
        self._check_recipient(to)
        amount = self.due(account, split_ids) + self.refunds[account]
        refuse("ClaimBelowMinimum", when=amount < minimum)
        self._mark_claimed(account, split_ids)
        self.wallets[to] += amount
        return amount

    def redirect(self, account: str, to: str) -> None:
        if to == ZERO:
            self.recipients.pop(account, None)
            return
        self._check_recipient(to)
        self.recipients[account] = to

    def guard_claims(self, account: str, guarded: bool) -> None:
        (self.guarded.add if guarded else self.guarded.discard)(account)

    # ---- challenge bonds --------------------------------------------------------------------------------------------

    def _bond_from_credit(self, account: str, split_ids: Sequence[int], amount: int) -> None:
        collected = self.due(account, split_ids) + self.refunds[account]
        refuse("CreditShort", when=collected < amount)
        self._mark_claimed(account, split_ids)
        self.refunds[account] = collected - amount
        self.challenge_bonds += amount

    def _bond_from_wallet(self, account: str, amount: int) -> None:
        self._pull(account, amount)
        self.challenge_bonds += amount

    def _return_bond(self, account: str, amount: int) -> None:
        self.challenge_bonds -= amount
        self.refunds[account] += amount
