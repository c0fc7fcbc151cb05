"""Dockerfile and compose.yaml say what is true of the code: no engine is needed to read that."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from app.__main__ import cli
from app.core.settings import Settings, variable_of

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service["image"] == "caretrail:local"}
LOCKS = [f"requirements{which}.lock" for which in ("", "-extras", "-build", "-dev")]
DONE = "service_completed_successfully"


def _instructions() -> list[list[str]]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in joined.splitlines() if line and not line.startswith("#")]


def _stages() -> list[list[list[str]]]:
    stages: list[list[list[str]]] = []
    for instruction in _instructions():
        if instruction[0] == "FROM":
            stages.append([])
        if stages:
            stages[-1].append(instruction)
    return stages


def test_what_is_copied_is_there() -> None:
    """Every file the image is built from exists, and none of them is kept out of the build."""
    copied = [
        given.split()[:-1] for word, given in _instructions() if word == "COPY" and "--from" not in given
    ]
    names = [name for names in copied for name in names]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert 8 == len(names)
    assert [] == [name for name in names if not (ROOT / name).exists()]
    assert let_in == set(names)


def test_dependencies_are_locked() -> None:
    """Everything is installed by hash or from what was just built; nothing is fetched by name."""
    installs = re.findall(r"pip install [^&\n]*", DOCKERFILE)

    assert 3 == len(installs)
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    for lock in LOCKS:
        text = (ROOT / lock).read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9-]+==", text, re.MULTILINE)
        assert pinned
        assert len(pinned) == len(re.findall(r"^\S+==.* \\$", text, re.MULTILINE)), lock
        assert "://" not in text


def test_shipped_stage_runs_as_nobody_of_note() -> None:
    """The last stage has a user of its own without a shell, no pip, and takes only what was built."""
    build, shipped = _stages()
    words = [word for word, *_ in shipped]

    assert "10001:10001" == next(given for word, given in shipped if word == "USER")
    assert not any("pip" in given for word, given in shipped if word == "RUN")
    assert any("pip uninstall --yes pip" in given for word, given in build if word == "RUN")
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert {"HEALTHCHECK", "ENTRYPOINT", "STOPSIGNAL"} <= set(words)


def test_commands_exist() -> None:
    """What the image and the services run are commands of the command line."""
    known = set(typer.main.get_command(cli).commands)  # type: ignore[attr-defined]
    named = re.findall(r'^(?:HEALTHCHECK.* )?CMD \["(?:caretrail", ")?(\w+)"\]', DOCKERFILE, re.MULTILINE)
    run = [SERVICES[name].get("command", ["serve"])[0] for name in OURS - {"certificates"}]

    assert ["ready", "serve"] == named
    assert {"migrate", "serve", "worker"} == set(run)
    assert {*named, *run} <= known


def test_variables_are_settings() -> None:
    """Every variable that image or services set is one the settings know."""
    known = {variable_of(name) + end for name in Settings.model_fields for end in ("", "_FILE")}
    in_image = set(re.findall(r"\b(CARETRAIL_\w+)=", DOCKERFILE))
    in_services = {name for one in OURS for name in SERVICES[one].get("environment", {})}

    assert {"CARETRAIL_DATA_DIR", "CARETRAIL_HOST"} == in_image
    assert 10 == len(in_services)
    assert in_services <= known


def test_no_secret_stands_in_the_file() -> None:
    """Passwords are files in volumes, made on the spot: no variable and no argument holds one."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or not re.search("PASSWORD|SECRET|TOKEN|URL", name), name
            assert "://" not in str(value)


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_have_no_power(name: str) -> None:
    """Our containers cannot write to their image, gain rights or use capabilities they are not given."""
    service = SERVICES[name]

    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert ("certificates" == name) == ("cap_add" in service) == ("user" in service)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_container_can_do_more_than_it_needs(name: str) -> None:
    """Nothing has a writable root or rights it was not given; only what makes owners is root, offline."""
    service = SERVICES[name]

    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert "privileged" not in service
    if name not in OURS:
        assert "999:999" == service["user"]
    assert ("0:0" == service.get("user")) == ("none" == service.get("network_mode"))


def test_what_goes_on_running_has_a_health_check() -> None:
    """API and database are asked whether they answer, the worker whether backups are made."""
    checks = {
        name: service["healthcheck"]["test"] for name, service in SERVICES.items() if "healthcheck" in service
    }
    lasting = {name for name, service in SERVICES.items() if "restart" in service}

    assert {"database", "api", "worker"} == lasting
    assert {"database": "pg_isready", "worker": "caretrail"} == {
        name: test[1] for name, test in checks.items()
    }
    assert "doctor" == checks["worker"][2]
    assert "HEALTHCHECK" in DOCKERFILE


def test_backups_are_made_elsewhere_than_they_are_opened() -> None:
    """The worker is given recipients and no identity."""
    worker = SERVICES["worker"]["environment"]

    assert "/run/secrets/backup-recipients" == worker["CARETRAIL_BACKUP_RECIPIENTS"]
    assert ["backup-recipients"] == SERVICES["worker"]["secrets"] == list(COMPOSE["secrets"])
    assert "CARETRAIL_BACKUP_IDENTITY" not in worker
    image = SERVICES["database"]["image"].split(":")[1]
    assert f"ARG POSTGRESQL={image}\n" in DOCKERFILE, "pg_dump is of another version than the server"


def test_nothing_waits_for_what_starts_only_when_asked_for() -> None:
    """Detection, webhooks and clocks run without the profile for backups: the API leaves them to nobody."""
    by_default = {name for name, service in SERVICES.items() if "profiles" not in service}

    assert {"certificates", "database", "logins", "migrate", "api"} == by_default
    assert not {"CARETRAIL_JOBS", "CARETRAIL_DETECTION"} & set(SERVICES["api"]["environment"])


def test_order_of_starting() -> None:
    """Certificates, database, log-ins, schema, service: each waits for the one before it to be done."""
    after = {
        (name, other): how["condition"]
        for name, service in SERVICES.items()
        for other, how in service.get("depends_on", {}).items()
    }

    assert {
        ("database", "certificates"): DONE,
        ("logins", "database"): "service_healthy",
        ("migrate", "logins"): DONE,
        ("api", "migrate"): DONE,
        ("api", "database"): "service_healthy",
        ("worker", "migrate"): DONE,
        ("worker", "database"): "service_healthy",
    } == after


def test_everything_on_the_way_is_encrypted() -> None:
    """The database takes TLS only, its clients check whom they speak to, the API speaks TLS."""
    made = SERVICES["certificates"]["command"][0]

    assert "sslmode=verify-full" in made
    assert "hostssl all all all scram-sha-256" in made
    assert not re.search(r"\bhost (?!ssl)all", made)
    assert "PGSSLMODE=verify-full" in SERVICES["logins"]["command"][0]
    assert "-cssl=on" in SERVICES["database"]["command"]
    assert "CARETRAIL_TLS_CERT" in SERVICES["api"]["environment"]
    assert "none" == SERVICES["certificates"]["network_mode"]
    assert ["127.0.0.1:8443:8443"] == SERVICES["api"]["ports"]


def test_owner_and_service_are_kept_apart() -> None:
    """The service's container holds neither the owner's nor the superuser's password."""
    volumes = {name: {v.split(":")[0] for v in service["volumes"]} for name, service in SERVICES.items()}

    assert {"service-secrets", "keys", "guard"} == volumes["api"]
    assert {"service-secrets", "keys", "guard", "backups"} == volumes["worker"]
    assert {"owner-secrets"} == volumes["migrate"]
    assert set(COMPOSE["volumes"]) == set().union(*volumes.values())
    assert "ca" not in set().union(*(volumes[name] for name in SERVICES if name != "certificates"))


def test_make_and_ci_call_what_is_there() -> None:
    """CI runs the checks and the tests of the Makefile, and the Makefile's tools are in the lock."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert {"install", "demo", "test", "check", "bench", "clean", "openapi", "lock"} <= targets
    called = re.findall(r"^make (\w+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert ["check", "test"] == called
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    for tool in ("ruff", "mypy", "import-linter", "interrogate", "pytest", "pytest-xdist", "setuptools"):
        assert re.search(rf"^{tool}==", lock, re.MULTILINE), tool
