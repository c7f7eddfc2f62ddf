"""Statistics over many customers and deals, against the grouping alone.

Run it with `python -m benchmarks.lifetimes [MILLIONS]`. Aalen–Johansen over ten times so many
deals, grouped by DuckDB; BG/NBD over so many customers, against grouping their histories.
"""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import duckdb
import numpy as np
import pandas as pd

from benchmarks.measuring import alternately
from revops_kit.stats import lifetime, survival

ROUNDS = 5


def main() -> None:
    """Measure, and print."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    for name, found in (
        ("Aalen-Johansen", incidence(int(10_000_000 * millions), ROUNDS)),
        ("BG/NBD", purchases(int(1_000_000 * millions), ROUNDS)),
    ):
        ratio = found["with"] / found["alone"]
        print(
            f"{name}: {found['with']:.2f} s, the grouping alone {found['alone']:.2f} s, "
            f"ratio {ratio:.2f}"
        )


def incidence(deals: int, rounds: int) -> dict[str, float]:
    """Time the incidence of wins over many deals, and the group-by it rests on."""
    con = duckdb.connect()
    con.execute(
        f"CREATE TABLE deals AS SELECT CAST(hash(range) % 400 AS INTEGER) AS days, "
        f"['won', 'lost', ''][1 + CAST(hash(range * 7) % 3 AS BIGINT)] AS event FROM range({deals})"
    )
    query = "SELECT days, event, count(*) AS n FROM deals GROUP BY ALL"

    def alone() -> pd.DataFrame:
        return con.sql(query).df()

    def full() -> float:
        counts = alone()
        curves = survival.aalen_johansen(counts.days, counts.event, counts.n)
        return curves["won"].at(90)

    return alternately(rounds, **{"with": full, "alone": alone})


def purchases(customers: int, rounds: int) -> dict[str, float]:
    """Time the fit of BG/NBD to many customers, and the grouping of equal histories alone."""
    chance = np.random.default_rng(20260930)
    # Customers of Gamma(0.25, 4.4) rates a week who drop out, watched for up to 78 weeks.
    age = chance.integers(26, 79, customers).astype(float)
    rate = chance.gamma(0.25, 1 / 4.4, customers)
    alive = np.minimum(age, np.ceil(age * chance.beta(2.4, 0.8, customers)))
    x = chance.poisson(rate * alive)
    t_x = np.where(x > 0, np.ceil(alive * chance.beta(np.maximum(x, 1), 1)), 0.0)

    def alone() -> pd.DataFrame:
        frame = pd.DataFrame({"x": x, "t_x": t_x, "age": age})
        return frame.groupby(["x", "t_x", "age"], sort=False).size().reset_index(name="n")

    def full() -> float:
        groups = alone()
        return lifetime.fit_bg_nbd(groups.x, groups.t_x, groups.age, groups.n).loglik

    return alternately(rounds, **{"with": full, "alone": alone})


if __name__ == "__main__":
    main()
