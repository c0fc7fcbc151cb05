"""`caretrail demo`: a sample provider on this machine, made once and served."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.backups.sealing import new_identity
from app.commands.backing_up import write_private
from app.commands.calling import sign_what_moved
from app.commands.founding import found_deployment
from app.commands.opening import open_service
from app.commands.sample_provider import SampleMaker, described, ended
from app.commands.serving import refuse_exposed, run
from app.commands.starting import begin, hand_down
from app.commands.telling import remark, result
from app.core.errors import ConflictError, StartRefusedError
from app.core.settings import Settings

TOLD = "demo.json"
_WAY_IN = """
Sign in:   POST {url}/v1/sessions  {{"username": ..., "password": ..., "otp": ...}}
API:       {url}/docs
The same, for machines: {file}. Everybody in it is invented. Stop with Ctrl-C.
"""


def demo(data_dir: Path | None, host: str | None, port: int | None, *, as_json: bool) -> None:
    """Serve the sample provider of a data directory; make it first if there is none.

    Raises:
        StartRefusedError: There is something else in the directory.
    """
    hand_down(data_dir=data_dir, host=host, port=port)
    settings = begin()
    refuse_exposed(settings)
    file = settings.data_dir / TOLD
    told = _known(settings, file) if file.exists() else _made(settings, file)
    _let_backups_be_made(settings)
    _let_packs_be_made(settings)
    told["url"] = f"http://{settings.host}:{settings.port}"
    _write(file, told)
    run(settings, told=lambda: result(told, _in_words(told, file), as_json=as_json))


def _let_backups_be_made(settings: Settings) -> None:
    """Configure a recipient; its identity stays here, as it must not elsewhere, so that drills can run."""
    if not settings.backup_recipients.exists() and not settings.backup_identity.exists():
        secret, recipient = new_identity()
        write_private(settings.backup_identity, f"# recipient: {recipient}\n{secret}\n")
        write_private(settings.backup_recipients, f"{recipient}\n")


def _let_packs_be_made(settings: Settings) -> None:
    """Configure who opens continuity packs, as for backups; the folder is made here and nowhere else."""
    identity = settings.data_dir / "continuity-identity.txt"
    if not settings.continuity_recipients.exists() and not identity.exists():
        secret, recipient = new_identity()
        settings.continuity_dir.mkdir(exist_ok=True)
        write_private(identity, f"# recipient: {recipient}\n{secret}\n")
        write_private(settings.continuity_recipients, f"{recipient}\n")


def _known(settings: Settings, file: Path) -> dict[str, Any]:
    """Return what a former run made, with shifts that run now."""
    told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    with open_service(settings) as service:
        maker = SampleMaker(service)
        for user in told["users"]:
            if ended(user, service.clock.now()):
                with suppress(ConflictError):  # somebody deactivated this user: they need no shift
                    maker.renew_shift(told["organisation_id"], user)
    return told


def _made(settings: Settings, file: Path) -> dict[str, Any]:
    if settings.keys_dir.exists():
        raise StartRefusedError(
            f"{settings.data_dir} holds a Caretrail that is no demo, or one that was broken off while it was"
            " made: give another --data-dir, or remove this one"
        )
    remark("Making a sample provider ...")
    found_deployment(settings)
    with open_service(settings) as service:
        maker, plan = SampleMaker(service), described()
        told = maker.organisation(plan["organisation"], "demo")
        told["other_organisation"] = maker.organisation(plan["other_organisation"], "other")
        sign_what_moved(service)
    _write(file, told)
    return told


def _write(file: Path, told: dict[str, Any]) -> None:
    """Write the whole file or nothing: its being there says that the provider is complete."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    fresh.replace(file)


def _in_words(told: dict[str, Any], file: Path) -> str:
    homes = "\n".join(f"home  {home['name']:<14} {home['id']}" for home in told["homes"])
    header = f"{'role':<22} {'user name':<28} {'password':<24} one-time-code secret"
    users = "\n".join(
        f"{user['role']:<22} {user['username']:<28} {user['password']:<24} {user['totp_secret']}"
        for user in told["users"]
    )
    way_in = _WAY_IN.format(url=told["url"], file=file)
    return f"{told['url']}\n\n{homes}\n\n{header}\n{users}\n{way_in}"
