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
    x, t_x, age = histories(customers)

    def alone() -> pd.DataFrame:
        frame = pd.DataFrame({"x": x, "t_x": t_x, "age": age})
        return frame.groupby(["x", "t_x", "age"], sort=False).size().reset_index(name="n")

    def full() -> float:
        groups = alone()
        return lifetime.fit_bg_nbd(groups.x, groups.t_x, groups.age, groups.n).loglik

    return alternately(rounds, **{"with": full, "alone": alone})


def histories(customers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make customers as BG/NBD has them: repeat purchases, the last one's age, and their own.

    They buy at Gamma(0.243, 4.414) rates a week and drop out after a purchase with Beta(0.793,
    2.426) chances – what the model's authors found for CDNOW – and are watched for 26 to 78 weeks.
    Times are whole weeks.
    """
    chance = np.random.default_rng(20260930)
    age = chance.integers(26, 79, customers).astype(float)
    rate = chance.gamma(0.243, 1 / 4.414, customers)
    leaves = chance.beta(0.793, 2.426, customers)
    x, t_x, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    stays = np.arange(customers)
    while len(stays):
        now[stays] += chance.exponential(1 / rate[stays])
        stays = stays[now[stays] <= age[stays]]
        x[stays] += 1
        t_x[stays] = np.ceil(now[stays])
        stays = stays[chance.random(len(stays)) >= leaves[stays]]
    return x, t_x, age


if __name__ == "__main__":
    main()
