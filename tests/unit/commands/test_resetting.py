"""`users reset` as an operator types it; what it does is told where accounts are."""

import pytest

from tests.unit.commands.conftest import Line


@pytest.mark.parametrize(("username", "reason"), [("\udcff", "lost"), ("maria.sample", "lost \udcff")])
def test_bytes_that_are_no_text_are_refused(
    founded: tuple[Line, dict[str, str]], username: str, reason: str
) -> None:
    """What a terminal sent in another encoding is told as such; nothing is tried, and nothing logged."""
    told = founded[0].run("users", "reset", "--username", username, "--reason", reason)

    assert (1, "") == (told.code, told.out)
    assert "caretrail: give names and reasons as text in UTF-8\n" == told.err
