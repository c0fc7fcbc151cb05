"""`keys status` tells the verifier keys, also those that a rotation did not live to print."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.commands.conftest import ROOT, Line

_KILLED = """
import os, signal, sys
import app.vault.signing_keys as files
switch = files.SigningFiles.switch

def dying(*given):
    switch(*given)
    os.kill(os.getpid(), signal.SIGKILL)

files.SigningFiles.switch = dying
sys.argv = ["caretrail", "keys", "rotate"]
import runpy
runpy.run_module("app", run_name="__main__")
"""


def test_a_rotation_killed_after_the_rename_leaves_its_verifier_keys_to_be_read(line: Line) -> None:
    """They were never printed; the command run again is refused and says where they are."""
    founded = line.run("init", "--organisation", "Sample Care", "--admin", "a.sample", "--json").json
    org = founded["organisation_id"]
    before = line.run("keys", "status", "--json").json["verifier_keys"]
    assert {org, "system"} == before.keys()
    assert founded["verifier_key"] == before[org]
    done = subprocess.run([sys.executable, "-c", _KILLED], env=line.environment, cwd=ROOT, check=False)
    assert -signal.SIGKILL == done.returncode
    again = line.run("keys", "rotate")
    assert (1, True) == (again.code, "`caretrail keys status` shows the new verifier keys" in again.err)
    told = line.run("keys", "status", "--json").json["verifier_keys"]

    assert before.keys() == told.keys()
    assert set(before.values()).isdisjoint(told.values())
    assert told[org] in line.run("keys", "status").out


def test_they_are_those_that_a_rotation_prints(line: Line, tmp_path: Path) -> None:
    """What the command prints and what the state says are the same keys."""
    line.run("init", "--organisation", "Sample Care", "--admin", "a.sample")
    printed = line.run("keys", "rotate", "--json").json["verifier_keys"]

    assert printed == line.run("keys", "status", "--json").json["verifier_keys"]
