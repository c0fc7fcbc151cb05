"""Altered rows are remembered up to a bound."""

from types import SimpleNamespace

from app.access import integrity
from app.access.integrity import Alarms
from app.core.errors import AlteredRow


def met(*names: str) -> list[SimpleNamespace]:
    """Return an attempt that met these altered rows."""
    opened = SimpleNamespace(
        altered=[AlteredRow("record", name) for name in names], note=SimpleNamespace(org="o"), org="o"
    )
    return [SimpleNamespace(opened=opened, error=None)]


def entries(alarms: Alarms, *names: str) -> int:
    """Return how many entries these rows make in a turn that is committed."""
    drafts = len(alarms.drafts(met(*names)))
    alarms.committed()
    return drafts


def test_beyond_the_bound_only_the_log_tells_and_nothing_is_remembered(monkeypatch, caplog):
    """A process that met more rows than it remembers makes no entry and takes no memory for them."""
    monkeypatch.setattr(integrity, "MOST_TOLD", 2)
    alarms = Alarms()

    assert [1, 1, 0] == [entries(alarms, name) for name in ("a", "b", "c")]
    assert [0] * 20 == [entries(alarms, f"row {n}") for n in range(20)]
    assert (2, 23) == (len(alarms._told), len(caplog.records))
    assert [0, 0] == [entries(alarms, "a"), entries(alarms, "b")]
    assert 23 == len(caplog.records)
