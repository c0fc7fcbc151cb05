"""`caretrail audit anchor` and `audit sheet`: checkpoints to be kept by somebody else, on files or paper."""

from base64 import b64encode
from pathlib import Path

from app.commands.calling import present, sign_what_moved
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.commands.written_files import refuse_place, whole
from app.core.errors import InvalidRequestError
from app.core.identifiers import SYSTEM
from app.main import Service
from app.trail.anchors import Anchor, NewestAnchors, drop
from app.trail.checkpoints import HOUSEKEEPING
from app.trail.sheet import SheetRow, sheet


def anchor(out: Path, *, as_json: bool) -> None:
    """Write the newest signed checkpoint of every chain below a folder, for somebody else to take away.

    Raises:
        InvalidRequestError: The folder cannot be written.
        AnchorDiffersError: A different checkpoint of the same size lies there. It is left as it is.
    """
    with open_service(begin()) as service:
        anchors = _newest(service)
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = [str(drop(out, one)) for one in anchors]
    except OSError as error:
        raise InvalidRequestError(detail=f"{out} cannot be written ({type(error).__name__})") from error
    result({"written": written}, "\n".join(written), as_json=as_json)
    remark("They are an anchor only once they lie where this service cannot write: take them away.")


def print_sheet(out: Path) -> None:
    """Write the daily sheet, to be printed, signed and kept elsewhere.

    Raises:
        InvalidRequestError: The file is there already, or cannot be written.
    """
    refuse_place(out)
    with open_service(begin()) as service:
        rows = [_row(service, one) for one in _newest(service)]
        page = sheet(rows, service.clock.now())
    with whole(out) as file:
        file.write(page.encode())
    result(str(out), str(out), as_json=False)
    remark("Print it, sign it, and keep it where nobody who runs the computers can reach it.")


def _newest(service: Service) -> list[Anchor]:
    sign_what_moved(service)
    found: list[Anchor] = present(service, SYSTEM, HOUSEKEEPING, NewestAnchors(), "caretrail audit anchor")
    return found


def _row(service: Service, one: Anchor) -> SheetRow:
    root, vkey = b64encode(bytes(one.root)).decode(), service.notary.vkeys(one.org)[0]
    return SheetRow(service.notary.origin(one.org), one.size, root, one.made_at, vkey)
