"""Histories as the models take them: checked, and the same ones counted together."""
# The literature writes T for the time a customer was watched, and so does this interface.
# ruff: noqa: N803, N806

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from revops_kit.errors import StatisticsError
from revops_kit.stats.arrays import refuse
from revops_kit.units import plural


def purchase_histories(
    t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
) -> tuple[np.ndarray, ...]:
    """Check a horizon t and purchase histories, and give them one shape."""
    t, x, t_x, T = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (t, x, t_x, T)))
    refuse(~np.isfinite(t + x + t_x + T), "histories are known, finite numbers")
    refuse(t < 0, "a horizon is 0 or more")
    refuse((x < 0) | (x != np.round(x)), "repeat purchases (x) are whole, and 0 or more")
    refuse((t_x < 0) | (t_x > T), "the last purchase (t_x) lies between 0 and the end (T)")
    refuse((x > 0) != (t_x > 0), "the last purchase (t_x) is later than 0 just where x is above 0")
    return t, x, t_x, T


def grouped_purchase_histories(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, ...]:
    """Check the purchase histories of a fit, and count the same ones together, with weights."""
    x, t_x, T, weights = columns_of(weights, x, t_x, T)
    purchase_histories(0, x, t_x, T)
    x, t_x, T, weights = grouped(weights, x, t_x, T)
    refuse_one(weights.sum())
    if not x.any():
        raise StatisticsError(
            "Nobody has come back yet, so how often customers buy cannot be told."
        )
    return x, t_x, T, weights


def columns_of(weights: ArrayLike | None, *columns: ArrayLike) -> tuple[np.ndarray, ...]:
    """Give columns of one length and their weights, without the rows that weigh nothing."""
    table = [np.atleast_1d(np.asarray(column, dtype=float)) for column in columns]
    table.append(np.ones(len(table[0])) if weights is None else np.asarray(weights, dtype=float))
    if len({column.shape for column in table}) > 1:
        raise StatisticsError("The columns of the histories differ in length.")
    refuse(~np.isfinite(sum(table)), "histories and weights are known, finite numbers")
    refuse(table[-1] < 0, "weights are 0 or more")
    if (table[-1] == 0).any():
        table = [column[table[-1] > 0] for column in table]
    return tuple(table)


def grouped(weights: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give the distinct rows of the columns, with the sums of their weights last."""
    names = [str(number) for number in range(len(columns))]
    table = pd.DataFrame(dict(zip(names, columns, strict=True)) | {"weight": weights})
    sums = table.groupby(names, as_index=False)["weight"].sum()
    return tuple(sums[name].to_numpy() for name in sums)


def refuse_one(size: float) -> None:
    """Refuse to tell from one customer how customers differ."""
    if size < 2:
        raise StatisticsError(
            f"The histories are of {plural(round(size), 'customer')}; how customers differ shows "
            "from two on. Weights are numbers or percent, not shares of 1."
        )
