"""What a command line says, taken in: a workspace, settings."""

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revops_kit.errors import RequestError

if TYPE_CHECKING:
    from revops_kit.workspace import Workspace


def open_(path: Path, as_of: str) -> "Workspace":
    """Open a workspace; what the data say of days to come is not known yet."""
    from dataclasses import replace

    from revops_kit.workspace import open_workspace

    ws = open_workspace(path, as_of)
    today = dt.date.today()
    if not as_of and ws.as_of and ws.as_of > today:
        return replace(ws, tables=replace(ws.tables, as_of=today))
    return ws


def settings(given: list[str] | None) -> dict[str, Any]:
    """Read NAME=VALUE, with numbers as numbers."""
    settings: dict[str, Any] = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise RequestError(f"--set {each[:40]!r} is not NAME=VALUE, as in churn=stripe.")
        try:
            settings[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[name.strip()] = value
    return settings
