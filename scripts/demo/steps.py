"""Steps on a development chain that the demo, `make up`, the benchmarks and the tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from eth_account.signers.local import LocalAccount

from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.client import Expected, OracleClient, State, Submission, Usage
from obbligato.errors import ObbligatoError
from obbligato.keys import LocalSigner
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from scripts.demo.cast import RELAY, PlatformPlan
from scripts.toolchain import ROOT, environment


class DemoError(ObbligatoError):
    """A step did not come out as it must."""


def deploy(url: str, folder: Path, settings: Mapping[str, str] | None = None) -> Path:
    """Run the deploy script against the node, as an operator does; the manifest's path."""
    variables = {"OBBLIGATO_RPC_URL": url, "OBBLIGATO_DEPLOYMENTS": str(folder), **(settings or {})}
    done = subprocess.run(
        [str(ROOT / "scripts" / "brownie"), "run", "deploy", "--network", "local", "--silent"],
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    manifests = list(folder.glob("*.json"))
    if done.returncode != 0 or not manifests:
        raise DemoError(f"the deployment failed:\n{done.stdout}\n{done.stderr}")
    return manifests[0]


def intern_terms(chain: Chain, terms: Terms) -> None:
    """Store terms on the chain; the relay pays the gas."""
    cards = [tuple(card.model_dump().values()) for card in terms.rates]
    head = (terms.tiers, terms.term_days, terms.flags, terms.influence_cap_bps)
    chain.transact(RELAY, "LicenseRegistry", "internTerms", (*head, cards, terms.text_digest))


def intern_split(chain: Chain, split: Split) -> None:
    """Store a split on the chain; the relay pays the gas."""
    payees = [(payee.account, payee.share, int(payee.role)) for payee in split.payees]
    chain.transact(RELAY, "RoyaltyVault", "internSplit", payees)


def give_dollars(chain: Chain, account: LocalAccount, amount: int) -> None:
    """Mint play dollars for an account, and let the vault take them."""
    chain.transact(RELAY, DOLLAR, "mint", account.address, amount)
    vault = chain.deployment.address("RoyaltyVault")
    chain.transact(account, DOLLAR, "approve", vault, amount)


def register_platform(chain: Chain, plan: PlatformPlan, escrow: int, *, more: int = 0) -> int:
    """Register a platform with the smallest bond and deposit its escrow; its number.

    `more` dollars stay with its admin, for the vault to take later.
    """
    bond = chain.minimum_bond_units()
    give_dollars(chain, plan.admin, bond + escrow + more)
    chain.transact(plan.admin, "RoyaltyVault", "registerPlatform", [plan.reporter.address], bond)
    platform_id = chain.counts().platforms
    chain.transact(plan.admin, "RoyaltyVault", "deposit", platform_id, escrow)
    return platform_id


def oracle_client(chain: Chain, url: str, plan: PlatformPlan, platform_id: int) -> OracleClient:
    """The client of a platform, which signs with its reporter key."""
    return OracleClient(
        url,
        platform_id=platform_id,
        chain_id=chain.deployment.chain_id,
        oracle=chain.deployment.address("UsageOracle"),
        signer=LocalSigner(plan.reporter.key),
    )


def report_usage(
    client: OracleClient,
    platform_id: int,
    usage: Usage,
    *,
    patience_seconds: float,
    step: Callable[[], None] = lambda: None,
) -> Submission:
    """Submit usage, sign what it comes to, and wait until the report is on the chain. Raises DemoError.

    `step` is called once it is submitted, metered, signed and on the chain.
    """
    submission = client.submit(usage)
    step()
    metered = client.wait(submission.id, State.VALIDATED, timeout_seconds=patience_seconds)
    if metered.state is not State.VALIDATED:
        raise DemoError(f"the report is {metered.state}: {metered.problem}")
    step()
    client.sign(metered, Expected(platform_id, usage))
    step()
    submitted = client.wait(submission.id, State.CHALLENGEABLE, timeout_seconds=patience_seconds)
    if submitted.state is not State.CHALLENGEABLE:
        raise DemoError(
            f"the report is {submitted.state}: {submitted.waiting or submitted.problem}"
        )
    step()
    return submitted
