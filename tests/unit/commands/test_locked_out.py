"""A command of the wrong user is told whose the files are: nothing crashes, nothing is called lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from app.core.errors import StartRefusedError
from app.core.file_rights import kept_from
from app.vault.provider import FileKeys
from tests.support.powerless import locked, powerless
from tests.unit.commands.conftest import ROOT, Line

COMMANDS = ["serve", "worker", "migrate", "doctor", "backup create", "backup list", "audit anchor --out away"]
COMMANDS += [
    "keys status",
    "keys rotate",
    "residents scrub",
    "demo",
    "init --organisation Y --admin y.sample",
]
PROGRAM = """
import json, sys
from pathlib import Path
from tests.unit.commands.conftest import Line
line = Line(Path(sys.argv[1]))
told = {one: line.run(*one.split()) for one in sys.argv[2:]}
print(json.dumps({one: [said.code, said.out, said.err] for one, said in told.items()}))
"""


def asked(data_dir: Path, *commands: str) -> dict[str, Any]:
    """Run commands in a process that may not look into what is locked; return code and streams of each."""
    program = [*powerless(), sys.executable, "-c", PROGRAM, str(data_dir), *commands]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert 0 == ran.returncode, ran.stderr
    answers: dict[str, Any] = json.loads(ran.stdout)
    return answers


def test_a_locked_data_folder_is_refused_by_every_command(own: tuple[Line, dict[str, str]]) -> None:
    """One sentence with the folder, its mode and what to do, and the exit code that systemd leaves alone."""
    line, _ = own
    with locked(line.data_dir):
        answers = asked(line.data_dir, *COMMANDS, "audit verify")
    verified = answers.pop("audit verify")

    assert COMMANDS == list(answers)
    for command, (code, out, err) in answers.items():
        assert (2, "", 1) == (code, out, err.count("\n")), (command, err)
        told = err.startswith(f"caretrail: {line.data_dir}") or "the key file" in err or "keys folder" in err
        assert told, (command, err)
        assert "cannot be used by this user" in err or "cannot be written: Permission denied" in err, command
        assert "again: put the kept copy back" not in err, command
    assert f"{line.data_dir} is this user's own, mode 000: chmod u+rwX it" in answers["serve"][2]
    assert (3, True) == (verified[0], "cannot be used by this user" in verified[2])


@pytest.mark.parametrize("hidden", ["caretrail.db", "keys", "keys/root.key"])
def test_what_is_locked_is_not_called_lost(own: tuple[Line, dict[str, str]], hidden: str) -> None:
    """A database or a key that this user may not read is there: it is neither made anew nor brought back."""
    line, _ = own
    with locked(line.data_dir / hidden):
        code, out, err = asked(line.data_dir, "serve")["serve"]

    assert (2, "") == (code, out)
    assert "cannot be used by this user: " in err
    assert f"{'it' if '.' in hidden else line.data_dir / hidden} is this user's own, mode 000" in err
    assert ("Nothing is lost" in err) == hidden.startswith("keys")
    assert "kept copy" not in err
    assert "caretrail init" not in err


def test_it_is_told_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Owner and mode of the file, or of the folder that hides it, by name where there is one."""
    file = tmp_path / "root.key"
    file.touch(mode=0o600)
    owner = file.owner()
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    assert f"{file} cannot be used by this user: it belongs to {owner}, mode 600: run this as {owner}" == (
        kept_from(file)
    )
    tmp_path.chmod(0o700)
    hidden = tmp_path / "away" / "root.key"
    assert f"{tmp_path} belongs to {owner}, mode 700: run this as {owner}" in kept_from(hidden)

    def nameless(_: Path) -> str:
        raise KeyError

    monkeypatch.setattr(Path, "owner", nameless)
    assert kept_from(file).endswith(f"mode 600: run this as the user {file.stat().st_uid}")


def test_a_key_that_is_not_there_may_be_looked_for_elsewhere(tmp_path: Path) -> None:
    """The settings that say where keys are stand in the refusal; of a damaged disk they do not."""
    with pytest.raises(StartRefusedError, match="look at CARETRAIL_DATA_DIR and CARETRAIL_KEYS_DIR"):
        FileKeys(tmp_path).secret("root.key")
    (tmp_path / "root.key").mkdir()
    with pytest.raises(StartRefusedError, match=r"cannot be read now: Is a directory\. Mend the cause"):
        FileKeys(tmp_path).secret("root.key")


@pytest.mark.parametrize("where", ["/srv/elsewhere", None])
def test_a_file_no_command_looks_at_first_is_told_as_well(
    line: Line, monkeypatch: pytest.MonkeyPatch, where: str | None
) -> None:
    """Any other file that this user may not touch ends a command with 2; what is no file is a defect."""

    def fails(**_: Any) -> None:
        raise PermissionError(13, "Permission denied", where)

    monkeypatch.setattr("app.commands.migrating.bring_up", fails)
    if where is None:
        with line._as_a_process("migrate"), pytest.raises(PermissionError):
            main()
        return
    told = line.run("migrate")

    assert (2, "") == (told.code, told.out)
    assert told.err.startswith(f"caretrail: {where} cannot be used by this user: ")
