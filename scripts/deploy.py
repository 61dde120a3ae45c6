"""Deploy Obbligato, check what was deployed, and write deployments/<chainId>.json.

    scripts/brownie run deploy                                    # a throw-away development chain
    OBBLIGATO_RPC_URL=… scripts/brownie run deploy --network NAME # any other network

Settings (environment), all optional on a development chain:
    OBBLIGATO_TOKEN       the dollar, an ERC-20 with six decimals; a test dollar is deployed if the chain is a local one
    OBBLIGATO_DEPLOYER    a keystore name for `brownie accounts`, default: the node's first account
    OBBLIGATO_PROPOSER    who may propose to the governor; on any network but development the governor is a
                          TimelockController whose delay is longer than the thaw
    OBBLIGATO_GUARDIAN, OBBLIGATO_ARBITER, OBBLIGATO_ATTESTERS (comma-separated)
    OBBLIGATO_CHALLENGE_WINDOW, OBBLIGATO_ARBITRATION_PERIOD, OBBLIGATO_CLAIM_PERIOD (seconds)
    OBBLIGATO_MINIMUM_BOND, OBBLIGATO_MINIMUM_CHALLENGE_BOND (millionths of a dollar)
    OBBLIGATO_DEPLOYMENTS folder for the manifest, default deployments/
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rfc8785
from brownie import Contract, accounts, network, project, web3
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rlp import encode as rlp_encode

from obbligato.chain.deployment import CONTRACTS, Compiler, DeployedContract, Deployment, Roles

ROOT = Path(__file__).resolve().parent.parent
LOCAL_CHAINS = {1337, 31337}
DAY = 86_400


class DeployError(RuntimeError):
    """The deployment is not what it should be; the message says which part, and nothing is written."""


@dataclass(frozen=True)
class Parameters:
    """The clocks (seconds) and bonds (millionths of a dollar) of a deployment; none can change later."""

    challenge_window: int = 7 * DAY
    arbitration_period: int = 14 * DAY
    settlement_period: int = 21 * DAY
    thaw_period: int = 28 * DAY
    close_period: int = 201 * DAY
    module_delay: int = 35 * DAY
    claim_period: int = 180 * DAY
    timelock_delay: int = 29 * DAY
    minimum_bond: int = 1_000_000_000
    minimum_challenge_bond: int = 5_000_000

    @classmethod
    def of(
        cls,
        *,
        challenge_window: int = 7 * DAY,
        arbitration_period: int = 14 * DAY,
        claim_period: int = 180 * DAY,
        minimum_bond: int = 1_000_000_000,
        minimum_challenge_bond: int = 5_000_000,
    ) -> Parameters:
        """The dependent clocks from the free ones: each is longer than what it has to outlast."""
        settlement = challenge_window + arbitration_period
        thaw = settlement * 4 // 3
        return cls(
            challenge_window=challenge_window,
            arbitration_period=arbitration_period,
            settlement_period=settlement,
            thaw_period=thaw,
            close_period=claim_period + max(settlement, thaw - claim_period),
            module_delay=thaw + max(challenge_window, 1),
            claim_period=claim_period,
            timelock_delay=thaw + max(DAY, 1),
            minimum_bond=minimum_bond,
            minimum_challenge_bond=minimum_challenge_bond,
        )


@dataclass(frozen=True)
class Plan:
    """Who holds which role and on what money the deployment stands. `token` empty: deploy a test dollar."""

    deployer: Any
    governor: str
    guardian: str
    arbiter: str
    attesters: tuple[str, ...]
    parameters: Parameters
    token: str | None = None
    proposer: str | None = None
    """If given, the governor is a TimelockController that this account proposes to."""


@dataclass(frozen=True)
class Deployed:
    """The contracts as Brownie objects."""

    plan: Plan
    token: Any
    governor: str
    RoyaltyVault: Any
    LicenseRegistry: Any
    Grants: Any
    UsageOracle: Any
    Disputes: Any

    def contract(self, name: str) -> Any:
        return getattr(self, name)


def predicted(deployer: str, nonce: int) -> str:
    """The address that the deployer's transaction with this nonce creates."""
    return to_checksum_address(keccak(rlp_encode([bytes.fromhex(deployer[2:]), nonce]))[12:])


def deploy(build: Any, plan: Plan) -> Deployed:
    """Deploy the five contracts of a loaded Brownie project, and check them. Raises DeployError."""
    check_roles(plan)
    sender = {"from": plan.deployer}
    token = (
        build.TestDollar.deploy(sender)
        if plan.token is None
        else Contract.from_abi("Dollar", plan.token, build.TestDollar.abi)
    )
    governor = plan.governor
    if plan.proposer is not None:
        governor = build.Governor.deploy(
            plan.parameters.timelock_delay, plan.proposer, sender
        ).address

    # The vault lists its modules and the registry and the oracle know the disputes before those exist: addresses
    # follow from the deployer's nonce, and are checked below.
    first = web3.eth.get_transaction_count(str(plan.deployer))
    addresses = {name: predicted(str(plan.deployer), first + i) for i, name in enumerate(CONTRACTS)}
    p = plan.parameters
    vault = build.RoyaltyVault.deploy(
        (
            token.address,
            governor,
            addresses["LicenseRegistry"],
            addresses["Grants"],
            addresses["UsageOracle"],
            addresses["Disputes"],
            p.minimum_bond,
            p.settlement_period,
            p.thaw_period,
            p.close_period,
            p.module_delay,
        ),
        sender,
    )
    registry = build.LicenseRegistry.deploy(vault, addresses["Disputes"], sender)
    grants = build.Grants.deploy(vault, registry, sender)
    oracle = build.UsageOracle.deploy(
        (
            vault,
            registry,
            grants,
            addresses["Disputes"],
            governor,
            plan.guardian,
            sorted(plan.attesters, key=lambda account: int(account, 16)),
            p.challenge_window,
        ),
        sender,
    )
    disputes = build.Disputes.deploy(
        (oracle, plan.arbiter, p.minimum_challenge_bond, p.arbitration_period, p.claim_period),
        sender,
    )
    deployed = Deployed(plan, token, governor, vault, registry, grants, oracle, disputes)
    for name in CONTRACTS:
        if deployed.contract(name).address != addresses[name]:
            raise DeployError(
                f"{name} is at {deployed.contract(name).address}, not at {addresses[name]}: did the deployer send"
                " another transaction meanwhile? Deploy again from an account that only deploys."
            )
    check(deployed)
    return deployed


def check_roles(plan: Plan) -> None:
    """Four roles, four keys. Raises DeployError."""
    governing = plan.proposer or plan.governor
    roles = {"governor": governing, "guardian": plan.guardian, "arbiter": plan.arbiter}
    seen: dict[str, str] = {}
    for role, account in [*roles.items(), *((f"attester {a}", a) for a in plan.attesters)]:
        if account.lower() in seen:
            raise DeployError(
                f"{role} and {seen[account.lower()]} are the same account {account}: each role needs a key of its own"
            )
        seen[account.lower()] = role


def check(deployed: Deployed) -> None:
    """Ask every contract what it knows of the others, and compare. Raises DeployError."""
    d, p = deployed, deployed.plan.parameters
    expected = [
        ("RoyaltyVault.token", d.RoyaltyVault.token(), d.token.address),
        ("RoyaltyVault.governor", d.RoyaltyVault.governor(), d.governor),
        ("RoyaltyVault.registry", d.RoyaltyVault.registry(), d.LicenseRegistry.address),
        ("RoyaltyVault.grants", d.RoyaltyVault.grants(), d.Grants.address),
        ("RoyaltyVault.usageOracle", d.RoyaltyVault.usageOracle(), d.UsageOracle.address),
        ("RoyaltyVault.disputes", d.RoyaltyVault.disputes(), d.Disputes.address),
        ("RoyaltyVault.thawPeriod", d.RoyaltyVault.thawPeriod(), p.thaw_period),
        ("RoyaltyVault.minimumBond", d.RoyaltyVault.minimumBond(), p.minimum_bond),
        ("LicenseRegistry.vault", d.LicenseRegistry.vault(), d.RoyaltyVault.address),
        ("LicenseRegistry.disputes", d.LicenseRegistry.disputes(), d.Disputes.address),
        ("Grants.vault", d.Grants.vault(), d.RoyaltyVault.address),
        ("Grants.registry", d.Grants.registry(), d.LicenseRegistry.address),
        ("UsageOracle.vault", d.UsageOracle.vault(), d.RoyaltyVault.address),
        ("UsageOracle.registry", d.UsageOracle.registry(), d.LicenseRegistry.address),
        ("UsageOracle.grants", d.UsageOracle.grants(), d.Grants.address),
        ("UsageOracle.disputes", d.UsageOracle.disputes(), d.Disputes.address),
        ("UsageOracle.governor", d.UsageOracle.governor(), d.governor),
        ("UsageOracle.guardian", d.UsageOracle.guardian(), d.plan.guardian),
        ("UsageOracle.challengeWindow", d.UsageOracle.challengeWindow(), p.challenge_window),
        ("Disputes.usageOracle", d.Disputes.usageOracle(), d.UsageOracle.address),
        ("Disputes.vault", d.Disputes.vault(), d.RoyaltyVault.address),
        ("Disputes.registry", d.Disputes.registry(), d.LicenseRegistry.address),
        ("Disputes.arbiter", d.Disputes.arbiter(), d.plan.arbiter),
        ("Disputes.governor", d.Disputes.governor(), d.governor),
    ]
    for what, actual, required in expected:
        if str(actual).lower() != str(required).lower():
            raise DeployError(
                f"{what} is {actual}, should be {required}: do not use this deployment"
            )


def manifest(build: Any, deployed: Deployed) -> Deployment:
    """The manifest of a checked deployment."""
    contracts = {}
    for name in CONTRACTS:
        contract = deployed.contract(name)
        creation = web3.eth.get_transaction(contract.tx.txid)
        creation_code = getattr(build, name).bytecode
        arguments = creation["input"].hex().removeprefix("0x")[len(creation_code) :]
        contracts[name] = DeployedContract(
            address=contract.address,
            block=creation["blockNumber"],
            transaction=contract.tx.txid,
            constructor_arguments="0x" + arguments,
            runtime_code_hash="0x" + keccak(web3.eth.get_code(contract.address)).hex(),
        )
    plan = deployed.plan
    return Deployment(
        chain_id=web3.eth.chain_id,
        network=network.show_active(),
        block=min(contract.block for contract in contracts.values()),
        token=deployed.token.address,
        contracts=contracts,
        roles=Roles(
            governor=deployed.governor,
            guardian=plan.guardian,
            arbiter=plan.arbiter,
            attesters=tuple(deployed.UsageOracle.attestersOf(1)),
            deployer=str(plan.deployer),
            proposer=plan.proposer,
        ),
        parameters=asdict(plan.parameters),
        compiler=compiler_of(build),
    )


def compiler_of(build: Any) -> Compiler:
    """What the five contracts were compiled from: settings, and the sha-256 of every source they read."""
    described = [getattr(build, name)._build for name in CONTRACTS]
    paths = {path for item in described for path in item["allSourcePaths"].values()}
    settings = described[0]["compiler"]
    inputs = {
        "settings": {
            "version": settings["version"],
            "evmVersion": settings["evm_version"],
            "optimizer": settings["optimizer"],
            "viaIR": settings.get("viaIR", True),
        },
        "sources": {
            path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in sorted(paths)
        },
    }
    return Compiler(
        version=settings["version"],
        evm_version=settings["evm_version"],
        via_ir=settings.get("viaIR", True),
        optimizer_runs=settings["optimizer"]["runs"],
        input_hash="0x" + hashlib.sha256(rfc8785.dumps(inputs)).hexdigest(),
    )


def plan_from_environment() -> Plan:
    """The plan the settings ask for. Raises DeployError naming what is missing."""
    local = web3.eth.chain_id in LOCAL_CHAINS
    name = os.environ.get("OBBLIGATO_DEPLOYER")
    if name is None and not local:
        raise DeployError(
            "OBBLIGATO_DEPLOYER: name a keystore (see `brownie accounts`) to deploy from"
        )
    deployer = accounts.load(name) if name else accounts[0]
    token = os.environ.get("OBBLIGATO_TOKEN")
    if token is None and not local:
        raise DeployError("OBBLIGATO_TOKEN: give the address of the dollar on this network")

    def role(variable: str, index: int) -> str:
        value = os.environ.get(variable)
        if value is None and not local:
            raise DeployError(f"{variable}: give the account that holds this role")
        return to_checksum_address(value or accounts[index].address)

    listed = os.environ.get("OBBLIGATO_ATTESTERS")
    if listed is None and not local:
        raise DeployError("OBBLIGATO_ATTESTERS: give the attesters' accounts, separated by commas")
    attesters = listed.split(",") if listed else [accounts[i].address for i in range(4, 8)]
    proposer = role("OBBLIGATO_PROPOSER", 1)
    development = network.show_active() == "development"
    numbers = (
        "challenge_window",
        "arbitration_period",
        "claim_period",
        "minimum_bond",
        "minimum_challenge_bond",
    )
    values = {
        n: int(os.environ[v]) for n in numbers if (v := f"OBBLIGATO_{n.upper()}") in os.environ
    }
    return Plan(
        deployer=deployer,
        governor=proposer,
        guardian=role("OBBLIGATO_GUARDIAN", 2),
        arbiter=role("OBBLIGATO_ARBITER", 3),
        attesters=tuple(to_checksum_address(account.strip()) for account in attesters),
        parameters=Parameters.of(**values),
        token=token,
        proposer=None if development else proposer,
    )


def main() -> Path:
    """Deploy on the active network and write its manifest; the manifest's path."""
    build = project.get_loaded_projects()[0]
    deployed = deploy(build, plan_from_environment())
    folder = Path(os.environ.get("OBBLIGATO_DEPLOYMENTS", ROOT / "deployments"))
    path = manifest(build, deployed).write(folder)
    print(f"deployed and checked: {path}")
    return path
