"""Who runs a command: whoever the kernel says, not a variable."""

import os
import pwd

import pytest

from app.commands.calling import name_of, operating_user, user_of

SUDO = {"SUDO_UID": "1001", "SUDO_USER": "bob", "LOGNAME": "bob", "USER": "bob"}
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize(
    ("logged_in", "uid", "variables", "user"),
    [
        (None, 1000, {}, 1000),
        (None, 1000, SUDO, 1000),
        (None, 0, SUDO, 1001),
        (None, 0, {"SUDO_UID": "x"}, 0),
        (None, 0, {"SUDO_UID": "-1"}, 0),
        (None, 0, {}, 0),
        (1002, 999, {}, 1002),
        (1002, 999, SUDO, 1002),
        (1002, 0, SUDO, 1002),
    ],
)
def test_whose_command_it_is(logged_in, uid, variables, user):
    """Whoever logged in; else the process's user, and only root is believed whom it came from."""
    assert user == user_of(logged_in, uid, variables)


@pytest.mark.parametrize("name", ["LOGNAME", "USER", "LNAME", "USERNAME"])
def test_a_variable_renames_nobody(monkeypatch, name):
    """What a person may set for themselves says nothing about who they are."""
    for known in ("SUDO_UID", "SUDO_USER"):
        monkeypatch.delenv(known, raising=False)
    before = operating_user()
    monkeypatch.setenv(name, "bob")

    assert before == operating_user() != "bob"


def test_a_user_without_a_name_has_a_number():
    """In a container a user may have a number only."""
    assert (ME, "uid 4123456789") == (name_of(os.getuid()), name_of(4_123_456_789))
