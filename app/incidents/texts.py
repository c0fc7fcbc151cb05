"""What people wrote about an incident, sealed under the organisation's key."""

from typing import Any

from app.access.opened import Opened
from app.incidents.rows import ActionRow, AssessmentRow, HistoryRow, IncidentRow, NotificationRow, box_place
from app.incidents.vocabulary import TEXTS


def texts_of(opened: Opened, row: IncidentRow) -> dict[str, str | None]:
    """Return what is written of an incident, each text by its name; None where nothing is."""
    written = _unsealed(opened, row.id, "texts", row.texts)
    return {name: written.get(name) for name in TEXTS}


def seal_texts(opened: Opened, row_id: str, texts: dict[str, Any]) -> bytes:
    """Return the box of texts; what is not written takes no room in it."""
    written = {name: text for name, text in texts.items() if text is not None}
    return opened.organisation_key().seal_json(written, box_place(opened.org, row_id, "texts"))


def told(opened: Opened, row: NotificationRow) -> dict[str, str | None]:
    """Return what is written of a notification: told by whom, reference, reasons for delay, note."""
    return _unsealed(opened, row.id, "texts", row.texts)


def seal_text(opened: Opened, row_id: str, field: str, text: str) -> bytes:
    """Return the box of one text."""
    return opened.organisation_key().seal(text.encode(), box_place(opened.org, row_id, field))


def text_of(
    opened: Opened, row: HistoryRow | AssessmentRow | ActionRow, field: str, box: bytes | None
) -> str | None:
    """Return one sealed text of a row; None where there is none."""
    if box is None:
        return None
    return opened.organisation_key().unseal(box, box_place(opened.org, row.id, field)).decode()


def _unsealed(opened: Opened, row_id: str, field: str, box: bytes) -> dict[str, Any]:
    found = opened.organisation_key().unseal_json(box, box_place(opened.org, row_id, field))
    assert isinstance(found, dict)  # noqa: S101 - `seal_texts` stored it
    return found
