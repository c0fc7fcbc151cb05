"""The permission matrix a new organisation starts with, as data (`default-permissions.json`)."""

import json
from importlib import resources
from typing import Any

MATRIX: dict[str, Any] = json.loads(
    resources.files("app.identity").joinpath("default-permissions.json").read_text("utf-8")
)
DEFAULT_ROLES: dict[str, dict[str, Any]] = MATRIX["roles"]
ORGANISATION_WIDE_ONLY = frozenset(MATRIX["organisation_wide_only"])
"""Permissions that count only without any limit of place."""
