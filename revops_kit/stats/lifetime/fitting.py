"""What the models of lifetime share: histories in, the maximum of a likelihood out."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import minimize

from revops_kit.errors import StatisticsError
from revops_kit.stats.checks import refuse
from revops_kit.units import plural

# A gamma or beta distribution with a parameter this large is as good as a constant.
ALIKE = 1e3


def maximise(
    loglik: Callable[[np.ndarray], tuple[float, np.ndarray]], start: list[float], size: float
) -> tuple[np.ndarray, float]:
    """Find the positive parameters at which a log-likelihood with its gradient is highest."""

    # Per customer, and in the logarithms of the parameters, so that one tolerance suits all.
    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = np.exp(logs)
        value, gradient = loglik(parameters)
        return -value / size, -gradient * parameters / size

    found = minimize(
        objective,
        np.log(start),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-10, 10)] * len(start),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000, "maxcor": 20},
    )
    free = np.abs(found.x) < 10
    if not np.all(np.abs(found.jac[free]) < 1e-4):
        raise StatisticsError(
            "The fit does not settle: the histories are too few or too much alike."
        )
    return np.exp(found.x), float(-found.fun * size)


def beta_rule(a: float, b: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Give points and weights that average a smooth function over Beta(a, b).

    References
    ----------
    G. H. Golub and J. H. Welsch, "Calculation of Gauss Quadrature Rules", Mathematics of
    Computation 23 (1969), 221-230, with the recurrence of the Jacobi polynomials.
    """
    k = np.arange(1.0, nodes)
    s = 2 * k + a + b - 2
    middle = np.append((a - b) / (a + b), (a - b) * (a + b - 2) / (s * (s + 2)))
    beside = 4 * k * (k + a - 1) * (k + b - 1) * (k + a + b - 2) / (s**2 * (s**2 - 1))
    beside[0] = 4 * a * b / ((a + b) ** 2 * (a + b + 1))
    points, vectors = eigh_tridiagonal((1 + middle) / 2, np.sqrt(beside) / 2)
    return np.clip(points, 1e-300, 1), vectors[0] ** 2


def columns_of(weights: ArrayLike | None, *columns: ArrayLike) -> list[np.ndarray]:
    """Give columns of one length with their weights, without those that weigh nothing."""
    columns = [np.atleast_1d(np.asarray(column, dtype=float)) for column in columns]
    columns.append(
        np.ones(len(columns[0])) if weights is None else np.asarray(weights, dtype=float)
    )
    lengths = {column.shape for column in columns}
    if len(lengths) > 1:
        raise StatisticsError("The columns of the histories differ in length.")
    refuse(~np.isfinite(np.array(columns)).all(axis=0), "histories are known, finite numbers")
    refuse(columns[-1] < 0, "weights are 0 or more")
    return [column[columns[-1] > 0] for column in columns]


def grouped(weights: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Give the distinct rows of the columns, with the sums of their weights."""
    frame = pd.DataFrame(dict(enumerate(columns)))
    sums = pd.Series(weights).groupby([frame[name] for name in frame]).sum().reset_index()
    return [sums[name].to_numpy() for name in sums]


def refuse_one(size: float) -> None:
    if size < 2:
        raise StatisticsError(
            f"The histories are of {plural(round(size), 'customer')}; how customers differ takes two "
            "or more. Give numbers or percent, not shares of 1."
        )
