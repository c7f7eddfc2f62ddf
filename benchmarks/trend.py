"""Conversion rate by source over 36 months, against the same figure in hand-written SQL.

Run it with `python -m benchmarks.trend [ROWS]`; a million leads and deals when left out.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from benchmarks.measuring import alone, alternately, peak_megabytes

ROWS, ROUNDS = 1_000_000, 15
LAST, MONTHS = "2026-09", 36
BY_HAND = """
    WITH won AS (
        SELECT DISTINCT lead_id FROM '{opportunities}'
        WHERE outcome = 'won' AND lead_id IS NOT NULL
    )
    SELECT
        date_trunc('month', created_at)::DATE AS start,
        coalesce(nullif(source, ''), '(blank)') AS source,
        count(*) FILTER (converted_at IS NOT NULL OR won.lead_id IS NOT NULL) AS numerator,
        count(*) AS denominator
    FROM '{leads}' LEFT JOIN won USING (lead_id)
    WHERE created_at >= '2023-10-01' AND created_at < '2026-10-01'
    GROUP BY ALL ORDER BY ALL
"""


def main(rows: int = ROWS) -> None:
    """Measure, and print."""
    with TemporaryDirectory() as folder:
        found = measure(Path(folder), rows, ROUNDS)
    print(f"{rows:,} leads, {rows:,} opportunities, {MONTHS} months by source")
    for kind in ("parquet", "csv"):
        first = found[kind]
        print(f"first reading of {kind}: {first['seconds']:.1f} s, {first['megabytes']:,.0f} MB")
    again, trend = found["cached"], found["trend"]
    print(f"opening again, and the trend: {again['seconds']:.1f} s, {again['megabytes']:,.0f} MB")
    ratio = trend["kit"] / trend["by_hand"]
    print(f"the trend: {trend['kit']:.3f} s, by hand {trend['by_hand']:.3f} s, ratio {ratio:.2f}")
    print(f"queries: {found['queries']}")


def measure(folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Write the data, and measure each thing in a process of its own."""
    from benchmarks import data

    workspaces = {kind: alone(data.write, folder / kind, rows, kind) for kind in ("parquet", "csv")}
    found = {kind: alone(first_reading, file) for kind, file in workspaces.items()}
    cached = workspaces["parquet"]
    found["cached"] = alone(opened_and_counted, cached)
    return found | alone(against_sql, cached, rounds)


def first_reading(workspace: Path) -> dict[str, float]:
    """Read, convert and check the files of a workspace."""
    import revops_kit as rk

    _ = rk.open, rk.kpis  # imported before the clock starts
    begun = process_time()
    rk.open(workspace)
    return {"seconds": process_time() - begun, "megabytes": peak_megabytes()}


def opened_and_counted(workspace: Path) -> dict[str, float]:
    """Open a workspace that is in the cache, and count the trend."""
    import revops_kit as rk

    _ = rk.open, rk.kpis
    begun = process_time()
    trend_of(rk.open(workspace))
    return {"seconds": process_time() - begun, "megabytes": peak_megabytes()}


def against_sql(workspace: Path, rounds: int) -> dict[str, Any]:
    """Count with the kit and by hand, from the same Parquet files.

    Raises
    ------
    AssertionError
        When the two differ.
    """
    import duckdb

    import revops_kit as rk

    ws, con = rk.open(workspace), duckdb.connect()
    (leads,), (opportunities,) = (
        (workspace.parent / ".revops" / "cache").glob(f"{name}-*.parquet")
        for name in ("leads", "opportunities")
    )
    sql = BY_HAND.format(leads=leads, opportunities=opportunities)
    columns = ["start", "source", "numerator", "denominator"]
    counted = trend_of(ws).sort_values(columns[:2])[columns].to_numpy().tolist()
    assert counted == con.sql(sql).df()[columns].to_numpy().tolist(), "the figures differ"
    seconds = alternately(rounds, kit=lambda: trend_of(ws), by_hand=lambda: con.sql(sql).df())
    return {"trend": seconds, "queries": queries(ws)}


def queries(ws: Any) -> int:
    """Count the statements that the trend sends to the engine's tables."""
    con = ws.tables.leads.get_backend()
    con.raw_sql("CALL enable_logging('QueryLog')")
    trend_of(ws)
    con.raw_sql("CALL disable_logging()")
    log = "SELECT count(*) FROM duckdb_logs WHERE type = 'QueryLog' AND message NOT LIKE 'CALL%'"
    return con.raw_sql(log).fetchone()[0]


def trend_of(ws: Any) -> Any:
    """Give the trend's frame."""
    import revops_kit as rk

    return rk.kpis.conversion_rate.over(ws, rk.last(MONTHS, LAST), by="source").frame


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
