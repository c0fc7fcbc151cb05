"""Whose chain a command works on where there are several organisations, and what it says before."""

import typer

from app.__main__ import cli
from tests.unit.commands.conftest import Line

PRUNE = ("audit", "prune", "--before", "2010-01-01", "--reason", "board, 4 May")


def test_what_is_destroyed_is_chosen(own: tuple[Line, dict[str, str]]) -> None:
    """The only organisation's chain and `system` are pruned; of two nothing is, until one or all is said."""
    line, told = own
    alone = line.run(*PRUNE, "--json")
    added = line.run("organisation", "add", "--organisation", "Other Care", "--admin", "o.sample", "--json")
    orgs = [told["organisation_id"], added.json["organisation_id"]]
    refused, both = line.run(*PRUNE), line.run(*PRUNE, "--all", "--organisation", orgs[0])
    one, everybody = (
        line.run(*PRUNE, "--organisation", orgs[1], "--json"),
        line.run(*PRUNE, "--all", "--json"),
    )

    assert [orgs[0], "system"] == [done["organisation"] for done in alone.json["pruned"]]
    assert (1, "") == (refused.code, refused.out)
    assert all(name in refused.err for name in (*orgs, "there are several organisations", "--all"))
    assert (1, "", "caretrail: give either --organisation or --all\n") == (both.code, both.out, both.err)
    assert [orgs[1]] == [done["organisation"] for done in one.json["pruned"]]
    assert [*sorted(orgs), "system"] == [done["organisation"] for done in everybody.json["pruned"]]


def test_the_help_tells_of_all() -> None:
    """What goes through every chain unless one is named says so, and only that."""
    audit = typer.main.get_command(cli).commands["audit"].commands  # type: ignore[attr-defined]
    helps = {
        name: next((one.help for one in command.params if one.name == "organisation"), None)
        for name, command in audit.items()
    }

    assert {"reindex", "checkpoint"} == {name for name, told in helps.items() if "each one's" in (told or "")}
    assert {"prune", "export"} == {name for name, told in helps.items() if "not needed" in (told or "")}
