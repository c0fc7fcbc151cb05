"""Settings: one frozen model, read from the environment once and passed down as values.

Every setting is a variable `CARETRAIL_<NAME>`; each may instead be given as `CARETRAIL_<NAME>_FILE`,
the path of a file that holds the value, so that no secret has to stand in an environment. What is
ambiguous is refused rather than guessed: a value given both ways, an empty one, an unknown name.

Source: CONFIG-1 (ASVS 5.0 13.3.1, secrets are kept apart).
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.errors import StartRefusedError

PREFIX = "CARETRAIL_"
_MOST_BYTES = 1 << 16
_TESTS_ONLY = re.compile(r"CARETRAIL_(SHARED|TEST_\w+)")
"""Read by this repository's tests, not by the service: a test run may hand them on."""
_IN_FILES = frozenset({"tls_cert", "tls_key", "breached_passwords", "webhooks_ca"})
"""Settings whose value is a file: for them `<NAME>_FILE` is the same as `<NAME>`."""

Deployment = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
Provider = Literal["file", "transit"]
DeviceKind = Literal["desktop", "mobile", "shared_tablet"]
Life = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=24))]
Cap = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=12))]


def _networks(listed: str) -> str:
    """Return a list of addresses and networks, or raise ValueError. `*` would trust anyone's claim."""
    try:
        for part in listed.split(","):
            ip_network(part.strip(), strict=False)
    except ValueError as error:
        raise ValueError("use addresses and networks, separated by commas") from error
    return listed


class Settings(BaseSettings):
    """What an operator chooses. Defaults run the embedded service on this machine alone."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    data_dir: Path = Field(
        Path("caretrail-data"), description="Where the service keeps what it writes: database, keys, guard."
    )
    database_url: SecretStr = Field(
        default_factory=lambda given: SecretStr(f"sqlite:///{given['data_dir']}/caretrail.db"),
        description="`sqlite:///PATH` or `postgresql+psycopg://...`; over a network with "
        "`sslmode=verify-full`.",
    )
    owner_database_url: SecretStr = Field(
        default_factory=lambda given: given["database_url"],
        description="PostgreSQL: the login that owns the tables, for `migrate`, `backup restore`, `drill`, "
        "`audit prune`, `reindex`, `residents scrub` and `replication`; never for `serve`.",
    )
    keys_dir: Path = Field(
        default_factory=lambda given: given["data_dir"] / "keys",
        description="Where `root.key` and `signing.key` are. Keep a copy elsewhere: without it all is lost.",
    )
    keys_provider: Provider = Field(
        "file", description="Who keeps the root key: `root.key`, or OpenBao/Vault (extra `caretrail[vault]`)."
    )
    keys_keep: Life = Field(
        timedelta(minutes=10),
        description="How long an organisation's key is used before the root key has to unwrap it again.",
    )
    transit_address: str | None = Field(
        None, min_length=1, description="Where OpenBao or Vault is, `https://...`: the active server."
    )
    transit_mount: str = Field("transit", min_length=1, description="Where its Transit engine is mounted.")
    transit_key: str = Field("caretrail", min_length=1, description="The name of the key in it.")
    transit_namespace: str | None = Field(None, min_length=1, description="The namespace, if there are any.")
    transit_ca: Path | None = Field(
        None, description="A file of certificates (PEM) to trust; otherwise the system's are."
    )
    transit_token_path: Path | None = Field(
        None, description="A file, mode 0600, with a token: read again whenever the token is refused."
    )
    transit_role_id: str | None = Field(None, min_length=1, description="The role id of an AppRole instead.")
    transit_secret_id_path: Path | None = Field(
        None, description="A file, mode 0600, with the AppRole's secret id."
    )
    transit_timeout_s: float = Field(
        2.0, ge=0.1, le=4.0, description="How many seconds a call may take before it has failed."
    )
    guard_dir: Path = Field(
        default_factory=lambda given: given["data_dir"] / "guard",
        description="Where the newest checkpoints are noted against a roll-back; not with the database.",
    )
    anchors_dir: Path | None = Field(
        None, description="A folder that exists: newest checkpoints are dropped here for others to take."
    )
    deployment: Deployment = Field(
        "caretrail.local", description="The name of this installation in the origin of its checkpoints."
    )
    host: str = Field("127.0.0.1", min_length=1, description="The address to listen at.")
    port: int = Field(8000, ge=1, le=65535, description="The port to listen at.")
    tls_cert: Path | None = Field(None, description="The certificate chain (PEM). Wants `CARETRAIL_TLS_KEY`.")
    tls_key: Path | None = Field(None, description="The certificate's private key (PEM).")
    behind_tls_proxy: bool = Field(
        False, description="Declare that a proxy in front of the service ends TLS and is the only way in."
    )
    forwarded_allow_ips: Annotated[str, AfterValidator(_networks)] = Field(
        "127.0.0.1", description="Addresses and networks of that proxy: whose `X-Forwarded-*` is believed."
    )
    workers: int = Field(1, ge=1, le=64, description="Serving processes. More than one wants PostgreSQL.")
    second_factor: Literal["required", "optional"] = Field(
        "required", description="Whether everyone must enrol a one-time-code app before anything else."
    )
    session_cap_desktop: Cap | None = Field(
        None, description="Cap on the idle time-out of desktops (10 minutes), as `PT5M` or `00:05:00`."
    )
    session_cap_mobile: Cap | None = Field(None, description="The same for mobiles (5 minutes).")
    session_cap_shared_tablet: Cap | None = Field(None, description="The same for tablets (2 minutes).")
    breached_passwords: Path | None = Field(
        None, description="A list of breached passwords or their SHA-1 digests, one a line."
    )
    metrics_token: SecretStr | None = Field(
        None, min_length=16, description="The bearer token of `GET /metrics`; without one it answers 404."
    )
    backup_dir: Path = Field(
        default_factory=lambda given: given["data_dir"] / "backups",
        description="Where backups are kept: another disk, which is copied to another place.",
    )
    backup_recipients: Path = Field(
        default_factory=lambda given: given["data_dir"] / "backup-recipients.txt",
        description="A file of age recipients, a line `age1...` each. Without it no backup is made.",
    )
    backup_identity: Path = Field(
        default_factory=lambda given: given["data_dir"] / "backup-identity.txt",
        description="The age identity that opens backups. For restores and drills only; keep it elsewhere.",
    )
    backup_schedule: str = Field(
        "15 2 * * *", description="When a backup is made: minute, hour, day, month, weekday, in UTC."
    )
    backup_keep_days: int = Field(7, ge=0, le=366, description="Backups kept: the newest of so many days,")
    backup_keep_weeks: int = Field(5, ge=0, le=260, description="of so many weeks,")
    backup_keep_months: int = Field(12, ge=0, le=120, description="and of so many months.")
    offsite_bucket: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]{1,200})?$",
        description="`s3://BUCKET/PREFIX`: where copies of backups go. Wants the extra `caretrail[s3]`.",
    )
    offsite_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="The address of an S3-compatible storage; without it AWS."
    )
    offsite_region: str = Field("eu-west-2", description="Its region.")
    offsite_key_id: str | None = Field(None, description="The id of the key that may write there.")
    offsite_secret: SecretStr | None = Field(None, description="Its secret; better as a file.")
    offsite_schedule: str = Field("50 2 * * *", description="When what is missing there is sent (UTC).")
    drill_schedule: str = Field(
        "45 3 * * 0", description="When a restore is drilled, where the identity is on this machine (UTC)."
    )
    continuity_dir: Path = Field(
        default_factory=lambda given: given["data_dir"] / "continuity",
        description="A folder that exists, not on this machine: a stick, a share. Each home's continuity "
        "packs go there.",
    )
    continuity_recipients: Path = Field(
        default_factory=lambda given: given["data_dir"] / "continuity-recipients.txt",
        description="Who opens them: a line `age1...` for all homes, or `ID age1...` for one home or "
        "provider. Without it no pack is made.",
    )
    continuity_schedule: str = Field(
        "30 5,17 * * *", description="When packs are made: before handovers, say (UTC)."
    )
    continuity_keep: int = Field(2, ge=1, le=100, description="Packs kept for each home.")
    continuity_format: Literal["html", "pdf"] = Field(
        "html", description="As what packs are made. `pdf` wants the extra `caretrail[pdf]`."
    )
    postgresql_programs: Path | None = Field(
        None, description="The folder of `pg_dump` and `pg_restore`, where they are not on the PATH."
    )
    jobs: Literal["serve", "worker"] = Field(
        "serve", description="Jobs, detection, webhooks: while serving too, or only in `caretrail worker`."
    )
    detection: Literal["on", "worker", "off"] = Field(
        "on",
        description="Who judges the trail: serving processes, `caretrail worker` only, or nobody; switched"
        " on later, they catch up.",
    )
    self_check_rows: int = Field(
        500,
        ge=0,
        le=100_000,
        description="Lines or rows checked against the trail each second while serving; 0 for none.",
    )
    webhooks_allow_loopback: bool = Field(
        False,
        description="Let webhooks go to this machine itself, also without TLS. For tests and development.",
    )
    webhooks_ca: Path | None = Field(
        None,
        description="Further certificate authorities (PEM) that webhooks' receivers may have theirs from.",
    )
    trail_years: int = Field(
        8, ge=8, le=100, description="How long entries of the trail are kept before they may be pruned."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged, as JSON lines on standard error."
    )
    log_requests: bool = Field(
        False, description="Log each request at level `info`: route, status, milliseconds, request id."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by the stricter reader below
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no hidden files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - `*_FILE` instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what was passed first (command line options), then the environment."""
        return init_settings, _Environment(settings_cls, os.environ)

    @property
    def session_caps(self) -> dict[DeviceKind, timedelta]:
        """Return the caps that are set, by kind of device."""
        kinds: tuple[DeviceKind, ...] = ("desktop", "mobile", "shared_tablet")
        caps = {kind: getattr(self, f"session_cap_{kind}") for kind in kinds}
        return {kind: cap for kind, cap in caps.items() if cap is not None}


class _Environment(PydanticBaseSettingsSource):
    """The environment and the files it names."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._names = {n.upper(): v for n, v in environment.items() if n.upper().startswith(PREFIX)}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Return the text given for a setting, or None."""
        del field
        variable = variable_of(field_name)
        plain, filed = self._names.get(variable), self._names.get(f"{variable}_FILE")
        if plain is not None and filed is not None:
            raise StartRefusedError(f"{variable} and {variable}_FILE are both set: unset one")
        if filed is not None and field_name not in _IN_FILES:
            plain = _content(f"{variable}_FILE", filed)
        value = plain if plain is not None else filed
        if value is not None and not value.strip():
            raise StartRefusedError(f"{variable} is set but empty: give it a value or unset it")
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what is set. Refuses names that mean nothing: a typing error would go unnoticed."""
        fields = self.settings_cls.model_fields
        known = {variable_of(name) + end for name in fields for end in ("", "_FILE")}
        for name in sorted(self._names):
            if name not in known and not _TESTS_ONLY.fullmatch(name):
                raise StartRefusedError(f"{name} is not a setting: see the table in README.md")
        given = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in given.items() if value is not None}


def _content(variable: str, path: str) -> str:
    """Return what stands in a file, without its last line break."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES + 1)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise StartRefusedError(
            f"{variable} names a file that cannot be read ({type(error).__name__})"
        ) from error
    if len(text) > _MOST_BYTES:
        raise StartRefusedError(f"{variable} names a file that is too large for a setting")
    return text.removesuffix("\n").removesuffix("\r")


def variable_of(field_name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + field_name.upper()


def load(**chosen: Any) -> Settings:
    """Return the settings: what was chosen on the command line, then the environment, then defaults.

    Raises:
        StartRefusedError: A setting is unknown, given twice, or not valid. Values are not repeated.
    """
    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        # A default that is made from a value which was refused is a consequence, not a mistake.
        mistakes = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        told = "; ".join(f"{variable_of(str(e['loc'][0]))}: {e['msg']}" for e in mistakes)
        raise StartRefusedError(told) from None
