"""The mathematics that the models share: the maximum of a likelihood, averages over a beta."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import minimize

from revops_kit.errors import StatisticsError

# Of positive parameters: its logarithm and the gradient of that.
Likelihood = Callable[[np.ndarray], tuple[float, np.ndarray]]

# A gamma or beta distribution with a parameter this large is as good as a constant.
ALIKE = 1e3
# How far the logarithm of a parameter may go, in units near the data's own.
FAR = 10


def maximise(likelihood: Likelihood, start: list[float], size: float) -> tuple[list[float], float]:
    """Find the positive parameters at which a log-likelihood with its gradient is highest.

    `size` is the number of customers.
    """

    # Per customer, and in the logarithms of the parameters, so that one tolerance suits all.
    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = np.exp(logs)
        value, gradient = likelihood(parameters)
        return -value / size, -gradient * parameters / size

    at = np.clip(np.log(start), -FAR, FAR)
    # Near a limit the search can stall on what it remembers of the way; it then starts afresh.
    for _ in range(5):
        found = minimize(
            objective,
            at,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-FAR, FAR)] * len(start),
            options={"ftol": 0, "gtol": 1e-8, "maxiter": 1000, "maxcor": 20},
        )
        at, inside = found.x, np.abs(found.x) < FAR
        if np.all(np.abs(found.jac[inside]) < 1e-4):
            return np.exp(at).tolist(), float(-found.fun * size)
    raise StatisticsError("The fit does not settle: the histories are too few or too much alike.")


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
    # The first of these is 0 / 0 in the general form when a + b = 1.
    first = 4 * a * b / ((a + b) ** 2 * (a + b + 1))
    k, s = k[1:], s[1:]
    rest = 4 * k * (k + a - 1) * (k + b - 1) * (k + a + b - 2) / (s**2 * (s**2 - 1))
    beside = np.append(first, rest)
    points, vectors = eigh_tridiagonal((1 + middle) / 2, np.sqrt(beside) / 2)
    return np.clip(points, 1e-300, 1), vectors[0] ** 2


def buying_notes(r: float, drops_out: bool, dropping_alike: bool) -> tuple[str, ...]:
    """Say where a fit has ended at a limit."""
    said = [
        (r > ALIKE, "Customers do not differ in how often they buy, as far as the data show."),
        (not drops_out, "Hardly anyone drops out, as far as the data show."),
        (
            dropping_alike,
            "Customers do not differ in how soon they drop out, as far as the data show.",
        ),
    ]
    return tuple(text for holds, text in said if holds)
