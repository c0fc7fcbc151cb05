"""Write `openapi.yaml` from the application: `make openapi`."""

from pathlib import Path
from typing import Any

import yaml

from app.http.factory import build
from app.http.openapi import describe

TARGET = Path(__file__).parents[2] / "openapi.yaml"


def described() -> dict[str, Any]:
    """Return what the application serves at `/openapi.json`."""
    return describe(build(None))


def written() -> str:
    """Return the text of `openapi.yaml`."""
    text: str = yaml.safe_dump(described(), sort_keys=False, allow_unicode=True, width=110)
    return "# Generated from the application (make openapi). Do not edit.\n" + text


if __name__ == "__main__":
    TARGET.write_text(written(), encoding="utf-8")
