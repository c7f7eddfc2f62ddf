x@dataclass(frozen=True)
class BgNbd:
    """Customers who buy at random, each at their own rate, until they drop out after a purchase.

    Rates are Gamma(r, alpha); the chance of dropping out after a purchase is Beta(a, b). `alpha`
    is in the unit of time of the data. One who never came back cannot have dropped out yet, so
    P(alive) is 1 for x = 0.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting Your Customers the Easy Way", Marketing
    Science 24 (2005), 275-284.
    """

    r: float
    alpha: float
    a: float
    b: float
    loglik: float = np.nan
    notes: tuple[str, ...] = ()

    def expected(self, t: ArrayLike) -> np.ndarray:
        """Give the repeat purchases that a new customer makes in time t, on average.

        Examples
        --------
        >>> round(float(BgNbd(0.243, 4.414, 0.793, 2.426).expected(52)), 3)
        1.444
        """
        t = np.asarray(t, dtype=float)
        return self._while_alive(self.r, t / self.alpha, beta_rule(self.a, self.b, nodes=256))

    def conditional(self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> np.ndarray:
        """Give the purchases expected in the next t of a customer with that history.

        Parameters are those of `fit_bg_nbd`.
        """
        t, x, t_x, T = _histories(t, x, t_x, T)
        purchases = self.p_alive(x, t_x, T)
        for count in np.unique(x):
            these = x == count
            horizon = t[these] / (self.alpha + T[these])
            rule = beta_rule(self.a, self.b + count, nodes=128)
            purchases[these] *= self._while_alive(self.r + count, horizon, rule)
        return purchases[()]

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> np.ndarray:
        """Give the probability that a customer with that history has not dropped out."""
        _, x, t_x, T = _histories(0, x, t_x, T)
        odds = np.full(x.shape, -np.inf)
        back = x > 0
        x, t_x, T = x[back], t_x[back], T[back]
        odds[back] = np.log(self.a / (self.b + x - 1))
        odds[back] += (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return expit(-odds)

    @staticmethod
    def _while_alive(
        shape: float, horizon: np.ndarray, rule: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Average (1 - (1 + horizon p)^-shape) / p over the chances p of dropping out."""
        # The closed form 2F1 needs (1 - 2F1(…)) / (a - 1), lost to rounding near a = 1 and NaN in
        # SciPy for long horizons.
        total = np.zeros_like(horizon)
        for p, weight in zip(*rule, strict=True):
            total -= weight / p * np.expm1(-shape * np.log1p(horizon * p))
        return total


def fit_bg_nbd(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> BgNbd:
    """Fit the BG/NBD model to purchase histories.

    Parameters
    ----------
    x
        Repeat purchases: all but the first.
    t_x
        Time from the first purchase to the last; 0 where x is 0.
    T
        Time from the first purchase to the end of the data.
    weights
        How many customers have each history; one, when left out.
    """
    x, t_x, T, weights = _grouped_histories(x, t_x, T, weights)
    unit = np.average(T, weights=weights)
    t_x, T = t_x / unit, T / unit
    size, purchases = weights.sum(), weights @ x
    counts, which = np.unique(x, return_inverse=True)
    by_count = np.bincount(which, weights)
    back = x > 0
    x1, t1, T1, weights1 = x[back], t_x[back], T[back], weights[back]
    watched, which_T = np.unique(T, return_inverse=True)
    by_T, bought_by_T = np.bincount(which_T, weights), np.bincount(which_T, weights * x)
    which_T1 = which_T[back]

    def loglik(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        r, alpha, a, b = parameters
        growth, log_T = np.log1p(watched / alpha), np.log(alpha + watched)
        # The odds that one who came back has dropped out; x - 1 of the purchases were survived.
        since = log_T[which_T1] - np.log(alpha + t1)
        odds = (np.log(a / (b + counts - 1 + (counts == 0)))[which])[back] + (r + x1) * since
        gone = weights1 * expit(odds)
        value = by_count @ (gammaln(r + counts) - gammaln(b + a + counts) + gammaln(b + counts))
        value += size * (gammaln(a + b) - gammaln(b) - gammaln(r))
        value -= r * (by_T @ growth) + bought_by_T @ log_T
        value += weights1 @ np.logaddexp(0, odds)
        of_all, of_b = digamma(a + b) - digamma(a + b + counts), digamma(b + counts) - digamma(b)
        slower = 1 / (alpha + watched)
        return value, np.array(
            [
                by_count @ (digamma(r + counts) - digamma(r)) - by_T @ growth + gone @ since,
                r / alpha * (by_T @ (watched * slower))
                - bought_by_T @ slower
                + gone @ ((r + x1) * (slower[which_T1] - 1 / (alpha + t1))),
                by_count @ of_all + gone.sum() / a,
                by_count @ (of_all + of_b) - gone @ (1 / (b + x1 - 1)),
            ]
        )

    rate = purchases / (weights @ T)
    (r, alpha, a, b), best = maximise(loglik, [1, 1 / rate, 1, 2], size)
    notes = _buying_notes(r, drops_out=a / (a + b) > 1e-4, dropping_alike=a + b > ALIKE)
    return BgNbd(r, alpha * unit, a, b, best - purchases * np.log(unit), notes)


def _buying_notes(r: float, drops_out: bool, dropping_alike: bool) -> tuple[str, ...]:
    said = [
        (r > ALIKE, "Customers do not differ in how often they buy, as far as the data show."),
        (not drops_out, "Nobody drops out, as far as the data show: everyone counts as alive."),
        (
            dropping_alike,
            "Customers do not differ in how soon they drop out, as far as the data show.",
        ),
    ]
    return tuple(text for holds, text in said if holds)


def _histories(t, x, t_x, T) -> list[np.ndarray]:
    """Check a horizon and purchase histories, and give them one shape."""
    columns = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (t, x, t_x, T)))
    t, x, t_x, T = columns
    refuse(~np.isfinite(np.array(columns)).all(axis=0), "histories are known, finite numbers")
    refuse(t < 0, "a horizon is 0 or more")
    refuse((x < 0) | (x != np.round(x)), "repeat purchases (x) are whole, and 0 or more")
    refuse((t_x < 0) | (t_x > T), "the last purchase (t_x) lies between 0 and the end (T)")
    refuse((x > 0) != (t_x > 0), "the last purchase (t_x) is above 0 just where x is")
    return columns


def _grouped_histories(x, t_x, T, weights) -> list[np.ndarray]:
    """Check histories to fit, and count those that are the same."""
    x, t_x, T, weights = columns_of(weights, x, t_x, T)
    _, x, t_x, T = _histories(0, x, t_x, T)
    x, t_x, T, weights = grouped(weights, x, t_x, T)
    refuse_one(weights.sum())
    if not x.any():
        raise StatisticsError(
            "Nobody has come back yet, so how often customers buy cannot be told."
        )
    return [x, t_x, T, weights]
