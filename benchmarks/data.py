"""Leads and the deals that came from them, made by chance, in files of a workspace."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

SOURCES = ["search", "referral", "fair", "partner", "podcast", "outbound", "webinar", ""]
FIRST_DAY = np.datetime64("2023-10-01T00:00:00", "us")
DAYS = 3 * 365 + 1
A_DAY = 86_400 * 1_000_000


def write(folder: Path, rows: int, kind: str) -> Path:
    """Write so many leads and so many opportunities, and the workspace that reads them.

    Parameters
    ----------
    kind
        parquet or csv.

    Returns
    -------
    Path
        The `revops.toml`.
    """
    folder.mkdir(parents=True)
    for name, table in (("leads", leads(rows)), ("opportunities", opportunities(rows))):
        keep = pa.parquet.write_table if kind == "parquet" else pa.csv.write_csv
        keep(table, folder / f"{name}.{kind}")
    workspace = folder / "revops.toml"
    workspace.write_text(
        f'[tables.leads]\nfile = "leads.{kind}"\n\n'
        f'[tables.opportunities]\nfile = "opportunities.{kind}"\n'
    )
    return workspace


def leads(rows: int) -> pa.Table:
    """Make leads of three years; marketing knows of few that converted."""
    chance = np.random.default_rng(20260930)
    converted = chance.random(rows) < 0.02
    created = _moments(chance, rows)
    return pa.table(
        {
            "lead_id": _keys("L", np.arange(rows)),
            "created_at": created,
            "converted_at": pa.array(created.to_numpy() + 30 * A_DAY, mask=~converted),
            "source": pa.array(np.array(SOURCES)[chance.integers(len(SOURCES), size=rows)]),
            "region": pa.array(np.array(["EMEA", "AMER", "APAC"])[chance.integers(3, size=rows)]),
        }
    )


def opportunities(rows: int) -> pa.Table:
    """Make deals, seven of ten from a lead; some leads have several."""
    chance = np.random.default_rng(20261001)
    outcome = np.array(["won", "lost", "open"])[chance.choice(3, size=rows, p=[0.2, 0.5, 0.3])]
    opened = _moments(chance, rows)
    closed = opened.to_numpy() + chance.integers(1, 90, size=rows) * A_DAY
    return pa.table(
        {
            "opportunity_id": _keys("D", np.arange(rows)),
            "lead_id": _keys("L", chance.integers(rows, size=rows), chance.random(rows) < 0.3),
            "outcome": pa.array(outcome),
            "opened_at": opened,
            "closed_at": pa.array(closed, mask=outcome == "open"),
            "amount": pa.array(chance.gamma(2, 5_000, size=rows).round(2)),
        }
    )


def _moments(chance: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(FIRST_DAY + chance.integers(DAYS * 86_400, size=rows) * 1_000_000)


def _keys(letter: str, numbers: np.ndarray, blank: np.ndarray | None = None) -> pa.Array:
    return pa.array(np.char.add(letter, numbers.astype(str)), mask=blank)
