"""States of acts and invitations change as the table says, whoever writes them; every kind has a place in it all."""

from __future__ import annotations

from typing import get_args

import pytest

from backend.actions.registry import KINDS
from backend.db.service_db import Act, Invitation
from obbligato.errors import RefusedError
from obbligato.schemas.act_states import ActKind, ActState, InvitationState
from obbligato.schemas.acts import REQUESTS


@pytest.mark.parametrize(
    ("before", "after"),
    [("final", "sent"), ("withdrawn", "signed"), ("failed", "prepared"), ("prepared", "final")],
)
def test_a_state_that_cannot_follow_is_refused(before: str, after: str) -> None:
    act = Act(state=ActState(before))
    with pytest.raises(RefusedError, match=f"what is {before} cannot become {after}"):
        act.state = ActState(after)
    assert act.state == before


def test_a_payee_that_agreed_cannot_decline_and_one_that_declined_may_agree() -> None:
    invitation = Invitation()
    invitation.decline(1)
    assert invitation.state is InvitationState.DECLINED
    invitation.agree(b"signature", 2)
    with pytest.raises(RefusedError, match="what is agreed cannot become declined"):
        invitation.decline(3)


def test_every_kind_is_known_to_clients_and_to_the_server() -> None:
    assert list(KINDS) == list(REQUESTS) == list(get_args(ActKind))
