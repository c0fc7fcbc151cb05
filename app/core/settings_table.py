"""The table of all settings, as the README prints it."""

from app.core.settings import Settings, variable_of

_DERIVED = {
    "database_url": "`sqlite:///<data_dir>/caretrail.db`",
    "owner_database_url": "the same as `CARETRAIL_DATABASE_URL`",
    "keys_dir": "`<data_dir>/keys`",
    "guard_dir": "`<data_dir>/guard`",
    "backup_dir": "`<data_dir>/backups`",
    "backup_recipients": "`<data_dir>/backup-recipients.txt`",
    "backup_identity": "`<data_dir>/backup-identity.txt`",
    "continuity_dir": "`<data_dir>/continuity`",
    "continuity_recipients": "`<data_dir>/continuity-recipients.txt`",
}


def settings_table() -> str:
    """Return the table of all settings, in Markdown, as the README prints it."""
    rows = ["| variable (each also as `..._FILE`) | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{variable_of(name)}` | {_default(name, field.default)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _default(name: str, default: object) -> str:
    if name in _DERIVED:
        return _DERIVED[name]
    return "-" if default is None else f"`{str(default).lower() if default is False else default}`"
