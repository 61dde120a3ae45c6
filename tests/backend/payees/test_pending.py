"""What is not settled yet, and what a challenge holds."""

from __future__ import annotations

from pathlib import Path

from backend.db.head import read_head
from backend.db.index_db import IndexDatabase
from backend.indexer.sync import Index
from backend.payees.balances import read_balance
from scripts.demo.cast import POOL_PLATFORM
from tests.onchain import ARTIST, DAY, DOLLARS, DUO, LABEL, STRANGER, Acts
from tests.scenario import GENERATED, MODEL, Scenario


def test_reports_that_are_not_settled_are_pending_and_held_rows_are_told_apart(
    scenario: Scenario, tmp_path: Path
) -> None:
    acts = Acts(scenario.protocol)
    database = IndexDatabase(f"sqlite:///{tmp_path}/index.db")
    with acts.undone():
        _refill(acts, scenario.poor)
        covered = scenario.reports[2].header.period_end
        period = (covered, covered + 30 * DAY)
        uses = [(1, *GENERATED, 10), (2, *GENERATED, 1_001)]
        report = acts.report(scenario.poor, POOL_PLATFORM.reporter, MODEL, uses, period)
        acts.dollars(STRANGER, 100 * DOLLARS)
        acts.challenge(STRANGER, report, (1, *GENERATED), 5)
        Index(database, scenario.protocol.chain, scenario.protocol.store, finality=3).sync()
        with database.reading() as session:
            found = {
                who.address: read_balance(session, read_head(session), who.address)
                for who in (ARTIST, DUO, LABEL)
            }
    database.close()
    # Licence 1: 10 generations of 2 400, held by the challenge; all of it is the artist's.
    artist = found[ARTIST.address]
    assert (artist.pending_units, artist.held_units) == (0, 24_000)
    # Licence 2: 1 001 of 2 400 on top of 4 413 843: 65 % of 6 816 243 is 4 430 557.95, less 2 868 997;
    # 35 % of it is 2 385 685.05, less 1 544 845.
    assert found[DUO.address].pending_units == 4_430_557 - 2_868_997
    assert found[LABEL.address].pending_units == 2_385_685 - 1_544_845
    assert {each.held_units for each in (found[DUO.address], found[LABEL.address])} == {0}
    # The report is newer than what is final; what the label has changed long ago.
    assert found[LABEL.address].certainty == "final"


def _refill(acts: Acts, platform_id: int) -> None:
    """A ruling had taken the whole bond of the platform."""
    acts.deposit(POOL_PLATFORM.admin, platform_id, 10 * DOLLARS)
    bond = acts.chain.call("RoyaltyVault", "minimumBond")
    acts.dollars(POOL_PLATFORM.admin, bond)
    acts.chain.transact(POOL_PLATFORM.admin, "RoyaltyVault", "addBond", platform_id, bond)
