"""Alerts that stand: seen by whoever asks, logged when they change."""

from __future__ import annotations

from structlog.testing import capture_logs

from obbligato.server.alerts import Alerts


def test_an_alert_is_logged_once_when_it_comes_changes_and_goes() -> None:
    with capture_logs() as lines:
        alerts = Alerts()
        for words in ("low", "low", "lower", "lower"):
            alerts.stand("gas", words)
        assert [(alert.key, alert.words) for alert in alerts.standing()] == [("gas", "lower")]
        alerts.clear("gas")
        alerts.clear("gas")
        alerts.clear("never stood")
    assert [(line["event"], line["key"], line.get("words")) for line in lines] == [
        ("alert", "gas", "low"),
        ("alert", "gas", "lower"),
        ("alert over", "gas", None),
    ]
    assert alerts.standing() == ()


def test_other_words_do_not_change_since_when_it_stands() -> None:
    alerts = Alerts()
    alerts.stand("gas", "low")
    since = alerts.standing()[0].since
    alerts.stand("gas", "lower")
    assert alerts.standing()[0].since == since
    assert alerts.words("gas") == "lower"
    assert alerts.words("other") is None
