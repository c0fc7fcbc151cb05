"""The root key in Transit: wrapped and unwrapped by a server that may be away, slow, wrong or forged."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.entropy import SystemEntropy
from app.core.errors import AuditUnavailableError, SealBrokenError, StartRefusedError
from app.core.settings import Settings
from app.vault import away
from app.vault.away import UNREACHABLE, AwayRoot, KeyUnreachableError
from app.vault.keepers import keyring_for, transit_root
from app.vault.keyring import Keyring
from app.vault.root import LocalRoot
from app.vault.sealing import Place
from tests.support.transit_server import TransitServer

ENTROPY = SystemEntropy()
PLACE = Place("org", "org", "organisation", "key", 1)
SECRET = b"s" * 32
AT = datetime(2026, 1, 1, tzinfo=UTC)
AWAY = "whoever keeps the root key does not answer, or refuses"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(tmp_path):
    """A Transit engine that works."""
    with TransitServer(tmp_path / "transit") as server:
        yield server


def settings(server: TransitServer, **more: object) -> Settings:
    given = server.settings(approle=bool(more.pop("approle", False)))
    return Settings(data_dir=server.folder, keys_provider="transit", **(given | more))


def root_of(server: TransitServer, **more: object) -> AwayRoot:
    return transit_root(settings(server, **more), ENTROPY)


@pytest.fixture
def no_pause(monkeypatch):
    """Calls are made at once after one that failed."""
    monkeypatch.setattr(away, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(away, "LONGEST_PAUSE_S", 0.0)


@pytest.mark.parametrize("approle", [False, True])
def test_it_wraps_and_unwraps(server, approle):
    """What Transit sealed opens in its place, with a token or an AppRole; nothing of the secret is stored."""
    root = root_of(server, approle=approle)
    wrapped = root.wrap(SECRET, PLACE)

    assert SECRET == root.unwrap(wrapped, PLACE)
    assert SECRET not in wrapped
    assert ("transit", "transit/caretrail") == (root.kind, root.name)
    assert approle == bool(server.asked.get("approle"))


def test_it_opens_in_its_place_only(server):
    """Another place, another key and any changed byte are refused."""
    root, wrapped = root_of(server), root_of(server).wrap(SECRET, PLACE)
    server.keys["other"] = [b"o" * 32]
    changed = [bytes([*wrapped[:n], wrapped[n] ^ 1, *wrapped[n + 1 :]]) for n in range(0, len(wrapped), 7)]

    for box in (*changed, b"", wrapped[:33], wrapped[:-1], LocalRoot(SECRET, ENTROPY).wrap(SECRET, PLACE)):
        with pytest.raises(SealBrokenError):
            root.unwrap(box, PLACE)
    with pytest.raises(SealBrokenError):
        root.unwrap(wrapped, PLACE._replace(version=2))
    with pytest.raises(SealBrokenError):
        root_of(server, transit_key="other").unwrap(wrapped, PLACE)
    with pytest.raises(SealBrokenError):
        LocalRoot(SECRET, ENTROPY).unwrap(wrapped, PLACE)


@pytest.mark.parametrize("mode", ["another", "forged"])
def test_a_wrong_answer_is_refused(server, mode):
    """A secret that is not the one that was wrapped is not used, whoever says that it is."""
    root = root_of(server)
    wrapped, check = root.wrap(SECRET, PLACE), root.new_check()
    server.mode = mode

    with pytest.raises(SealBrokenError):
        root.unwrap(wrapped, PLACE)
    assert not root.fits(check)
    server.mode = "well"
    assert root.fits(check)


@pytest.mark.parametrize(
    "mode", ["sealed", "standby", "limited", "broken", "slow", "dripping", "cut", "noise", "endless"]
)
def test_a_server_that_fails_is_away(server, mode, no_pause):
    """Whatever fails, the call ends in time, is refused as 503, and works again when the server does."""
    root = root_of(server, transit_timeout_s=0.5)
    wrapped = root.wrap(SECRET, PLACE)
    server.mode = mode
    began = time.monotonic()
    with pytest.raises(AuditUnavailableError) as refused:
        root.unwrap(wrapped, PLACE)

    assert time.monotonic() - began < 1.5
    assert (503, UNREACHABLE) == (refused.value.status, refused.value.why)
    server.mode = "well"
    assert SECRET == root.unwrap(wrapped, PLACE)


def test_of_an_answer_without_end_little_is_read(server, no_pause):
    """The connection is closed behind 64 KiB: nothing reads on behind a caller who gave up."""
    root = root_of(server, transit_timeout_s=0.5)
    wrapped = root.wrap(SECRET, PLACE)
    server.mode = "endless"
    with pytest.raises(AuditUnavailableError):
        root.unwrap(wrapped, PLACE)
    time.sleep(2)

    assert 0 < server.poured < 16_000_000  # what two sockets hold, not the 64 MB that were offered


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("sealed", "it is sealed, or not ready"),
        ("limited", "it is asked too often"),
        ("broken", "it has a fault of its own (500)"),
        ("slow", "no answer in time"),
        ("cut", "there is no connection to it"),
        ("noise", "the answer is none of a Transit engine"),
    ],
)
def test_why_it_is_away_is_for_operators_alone(server, mode, reason):
    """The reason stands in what an operator is told, in the pause after it, too; a caller is told none."""
    root = root_of(server, transit_timeout_s=0.5)
    server.mode = mode
    for _ in range(2):
        with pytest.raises(KeyUnreachableError) as refused:
            root.wrap(SECRET, PLACE)
        assert refused.value.told == f"transit transit/caretrail: {AWAY}: {reason}"
        assert reason not in refused.value.detail


def test_who_is_refused_and_whose_certificate_ended_is_told_apart(server, tmp_path, no_pause):
    """A token that does not do, a role that is none, what is wrong with a certificate: each by its name."""

    def told(given):
        with pytest.raises(KeyUnreachableError) as refused:
            given.wrap(SECRET, PLACE)
        return refused.value.told

    server.tokens = set()
    assert "its token or its policy does not do (403)" in told(root_of(server))
    assert "neither this role nor its secret id" in told(root_of(server, approle=True, transit_role_id="x"))
    assert "certificate is not accepted (IP address mismatch" in told(
        root_of(server, transit_address=f"https://127.0.0.1:{server.port}")
    )
    with TransitServer(tmp_path / "ended", ended=True) as ended:
        assert "certificate is not accepted (certificate has expired)" in told(root_of(ended))


def test_a_server_that_is_gone_is_away(server, no_pause):
    """Nobody listens: refused at once; somebody listens again: it works."""
    root = root_of(server)
    wrapped = root.wrap(SECRET, PLACE)
    server.stop()
    with pytest.raises(AuditUnavailableError):
        root.unwrap(wrapped, PLACE)
    server.start()

    assert SECRET == root.unwrap(wrapped, PLACE)


def test_after_a_failure_nothing_is_asked_for_a_while(server, monkeypatch):
    """Whoever needs the key in the pause is refused without a call."""
    root = root_of(server)
    wrapped = root.wrap(SECRET, PLACE)
    server.mode = "sealed"
    for _ in range(5):
        with pytest.raises(AuditUnavailableError):
            root.unwrap(wrapped, PLACE)

    assert 1 == server.asked["decrypt"]  # and one to encrypt, before
    server.mode = "well"
    now = time.monotonic()
    monkeypatch.setattr(away, "monotonic", lambda: now + away.FIRST_PAUSE_S + 1)
    assert SECRET == root.unwrap(wrapped, PLACE)


@pytest.mark.parametrize("approle", [False, True])
def test_a_token_that_ended_is_fetched_anew(server, approle):
    """The service logs in again, or reads the file again, and nobody notices."""
    root = root_of(server, approle=approle)
    wrapped = root.wrap(SECRET, PLACE)
    server.new_token()

    assert SECRET == root.unwrap(wrapped, PLACE)


def test_who_is_not_let_in_is_refused(server, no_pause):
    """A token that was taken back and not replaced, a file others may read, no key: all are 503."""
    root = root_of(server)
    wrapped = root.wrap(SECRET, PLACE)
    server.tokens = set()
    with pytest.raises(AuditUnavailableError):
        root.unwrap(wrapped, PLACE)
    server.new_token()
    server.token_file.chmod(0o644)
    with pytest.raises(AuditUnavailableError):
        root_of(server).unwrap(wrapped, PLACE)
    server.token_file.chmod(0o600)
    del server.keys["caretrail"]
    with pytest.raises(AuditUnavailableError):
        root.unwrap(wrapped, PLACE)


def test_a_file_lent_by_its_owner_is_read(server, monkeypatch, no_pause):
    """A credential of systemd (root's, 0440) or a file for a group (0640) is read; what more may use, not."""
    itself = os.geteuid()
    for owner, mode, read in (
        ("another", 0o440, True),
        ("another", 0o640, True),
        ("another", 0o644, False),
        ("another", 0o660, False),
        ("itself", 0o400, True),
        ("itself", 0o640, False),
    ):
        monkeypatch.setattr(os, "geteuid", lambda uid=itself + (owner == "another"): uid)
        server.token_file.chmod(mode)
        root = root_of(server)
        if read:
            assert SECRET == root.unwrap(root.wrap(SECRET, PLACE), PLACE), (owner, mode)
        else:
            with pytest.raises(AuditUnavailableError):
                root.wrap(SECRET, PLACE)


def test_another_server_is_not_believed(server, tmp_path):
    """Without a certificate of those named nothing is sent, the token least of all."""
    with TransitServer(tmp_path / "impostor") as impostor:
        root = root_of(server, transit_address=f"https://localhost:{impostor.port}")
        with pytest.raises(AuditUnavailableError):
            root.wrap(SECRET, PLACE)
        assert {} == impostor.asked


def test_a_newer_version_of_the_key_opens_what_the_older_sealed(server):
    """A rotation inside Transit needs nothing here; what is wrapped from then on is under the newer one."""
    root = root_of(server)
    wrapped = root.wrap(SECRET, PLACE)
    server.rotate()

    assert SECRET == root.unwrap(wrapped, PLACE)
    assert b"vault:v2:" in root.wrap(SECRET, PLACE)


def test_the_check_value_is_asked_for_once(server):
    """A second of following the database costs no call to the keeper."""
    root = root_of(server)
    check = root.new_check()

    assert [True] * 5 == [root.fits(check) for _ in range(5)]
    assert 1 == server.asked["decrypt"]
    assert not root.fits(None)
    assert not root.fits(b"k" * 32)
    assert not LocalRoot(SECRET, ENTROPY).fits(check)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"transit_address": None},
        {"transit_address": "http://vault.example:8200"},
        {"transit_token_path": None},
        {"transit_role_id": "role", "transit_secret_id_path": Path("secret")},
    ],
)
def test_settings_that_cannot_work_are_refused(server, spoiled):
    """No address, no TLS, no way in or two of them: the service does not start."""
    given = settings(server).model_copy(update=spoiled)
    with pytest.raises(StartRefusedError):
        keyring_for(given, ENTROPY)


def test_without_the_extra_it_says_so_and_all_else_works():
    """Only `app.vault.transit` imports hvac: the service serves without it, and says what is missing."""
    code = (
        "import sys; sys.modules['hvac'] = None; sys.modules['requests'] = None\n"
        "import app.commands.serving, app.commands.keeping, app.__main__, app.main\n"
        "from app.core.settings import Settings; from app.core.entropy import SystemEntropy\n"
        "from app.vault.keepers import transit_root\n"
        "from app.core.errors import StartRefusedError\n"
        "try: transit_root(Settings(transit_address='https://v', transit_token_path='t'), SystemEntropy())\n"
        "except StartRefusedError as refused: print(refused)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    how = "install requirements-extras.lock, as the guide has it\n"
    assert (0, f"a root key in Transit wants the extra `vault`: {how}") == (told.returncode, told.stdout)
    importing = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "app").rglob("*.py")
        if "import hvac" in path.read_text() or "from hvac" in path.read_text()
    ]
    assert ["app/vault/transit.py"] == importing


def test_a_keyring_takes_up_what_comes_into_force(server, tmp_path):
    """A file's root key and Transit's are asked for in turn: a deployment moves from one to the other."""
    transit = root_of(server)
    ring = Keyring(b"r" * 32, ENTROPY, lambda: [transit])
    check = transit.new_check()

    assert ring.take_up(check)
    assert "transit" == ring.root.kind
    assert not ring.take_up(LocalRoot(b"x" * 32, ENTROPY).new_check())
