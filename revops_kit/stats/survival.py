"""How long until it happens, with what has not happened yet counted rightly.

An open deal has not failed to close: it is *censored*, known only to last longer than its age. A
lost deal is not open for ever: losing *competes* with winning. `kaplan_meier` is for one way to
end, `aalen_johansen` for several, and `logrank` asks whether groups differ.

Everything is worked out from counts by day, so a database may do the counting: pass its days, and
its counts as `weights`.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from revops_kit.errors import StatisticsError, UnknownNameError
from revops_kit.stats.arrays import plain, refuse
from revops_kit.units import number

if TYPE_CHECKING:
    import pandas as pd

Z = NormalDist().inv_cdf(0.975)

# A curve this near to ½ sits on it: R's tolerance, the root of the machine's precision.
ON_THE_LINE = np.sqrt(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Curve:
    """A share by days: still there (falling from 1), or ended in one way (rising from 0).

    Attributes
    ----------
    day
        The distinct days on which something was seen to end or was last seen, in order.
    at_risk
        How many were still there on that day, before anything ended on it.
    events, censored
        How many of them ended on it, in this way, and how many were last seen on it.
    estimate, low, high
        The share from that day on, and its pointwise 95 % interval.
    start
        The share before the first day: 1 or 0.
    until
        The last day about which the curve says something; infinite once nobody is left.
    """

    day: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    censored: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: float
    until: float

    def at(self, t: ArrayLike) -> float | np.ndarray:
        """Give the share by the end of day t; NaN after the last day seen.

        Examples
        --------
        >>> curve = kaplan_meier([10, 20, 30], [True, True, False])
        >>> round(curve.at(15), 4), curve.at(31)
        (0.6667, nan)
        """
        t = np.asarray(t, dtype=float)
        shares = np.concatenate([[self.start], self.estimate])
        share = shares[np.searchsorted(self.day, t, side="right")]
        return plain(np.where(t <= self.until, share, np.nan))

    @property
    def median(self) -> float:
        """Give the day by which half have ended; NaN where the curve does not get there.

        Where the curve sits on ½ it is the middle between that day and the next on which it moves,
        as in R.
        """
        return self._day_of(self.estimate, 0.5)

    @property
    def median_interval(self) -> tuple[float, float]:
        """Give the days on which the two ends of the interval reach ½; NaN where they do not.

        References
        ----------
        R. Brookmeyer and J. Crowley, Biometrics 38 (1982), 29-41; by the rule of `median` where an
        end sits on ½.
        """
        fast, slow = (self.low, self.high) if self.start else (self.high, self.low)
        return self._day_of(fast, 0.5), self._day_of(slow, 0.5)

    @property
    def conditional_median(self) -> float:
        """Give the day by which half of those have ended that ever will, as far as is seen.

        The day on which an incidence reaches half its final level: the median days to win among
        the deals that will be won. It is too early while the curve still rises at its end. NaN
        where nothing has ended.
        """
        if not self.events.any():
            return np.nan
        return self._day_of(self.estimate, abs(self.estimate[-1] - self.start) / 2)

    def restricted_mean(self, t: float) -> float:
        """Give the area under the curve up to day t; NaN after the last day seen.

        Of a Kaplan-Meier curve, the mean days until the end or day t, whichever is first. Of an
        incidence, the mean of the t days that come after such an end.

        Examples
        --------
        Three deals, of 1, 2 and 3 days: (1 + 2 + 2) / 3 until day 2.

        >>> round(kaplan_meier([1, 2, 3], [True, True, True]).restricted_mean(2), 4)
        1.6667
        """
        refuse(np.asarray(t) < 0, "days are 0 or more")
        if not t <= self.until:
            return np.nan
        before = self.day < t
        edges = np.concatenate([[0], self.day[before], [t]])
        return float(np.diff(edges) @ np.concatenate([[self.start], self.estimate[before]]))

    @property
    def frame(self) -> "pd.DataFrame":
        """Give a row per day: day, at_risk, events, censored, estimate, low and high."""
        import pandas as pd

        names = ("day", "at_risk", "events", "censored", "estimate", "low", "high")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def _day_of(self, share: np.ndarray, level: float) -> float:
        """Find the day on which so much of the whole has ended."""
        ended = np.abs(share - self.start)
        near = level * 2 * ON_THE_LINE
        reached = np.flatnonzero(ended > level - near)
        if not len(reached):
            return np.nan
        first = reached[0]
        day = float(self.day[first])
        further = first + np.flatnonzero(ended[first:] > ended[first])
        if abs(ended[first] - level) < near and len(further):
            return (day + float(self.day[further[0]])) / 2
        return day


def kaplan_meier(
    days: ArrayLike,
    observed: ArrayLike,
    weights: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    interval: str = "log",
) -> Curve:
    """Estimate the share that lasts longer than so many days.

    Parameters
    ----------
    days
        How long each lasted, or has lasted so far. Whole or not.
    observed
        Whether it was seen to end then; otherwise it is censored: still there on that day.
    weights
        How many each row stands for: whole numbers. One each, when left out.
    entry
        The age at which each came under watch (left truncation): it is at risk after that day, up
        to and including its own. Write -1 for those watched from the start. Where all at risk end
        on one day the curve stays at 0, even if others come under watch later.
    interval
        `"log"`, as R has it, or `"log-log"`, as others do. Before anything has ended both have no
        width; at 0 there is none (NaN).

    References
    ----------
    E. L. Kaplan and P. Meier, JASA 53 (1958), 457-481, with the variance of M. Greenwood (1926).
    The intervals are those of R's survfit.

    Examples
    --------
    Of four customers one left on day 10, one on day 30; two are still there.

    >>> curve = kaplan_meier([10, 20, 30, 40], [True, False, True, False])
    >>> curve.at([9, 10, 30]).tolist()
    [1.0, 0.75, 0.375]
    >>> curve.median, curve.median_interval
    (30.0, (10.0, nan))
    """
    if interval not in ("log", "log-log"):
        raise UnknownNameError("an interval", interval, ["log", "log-log"])
    lengths = _lengths(days)
    ended = _observed(observed, lengths)
    weights = _counts(weights, lengths)
    day, counts = _tally(lengths, ended, 2, weights)
    censored, events = counts.T
    at_risk = _still_there(counts)
    if entry is not None:
        at_risk -= _not_yet_watched(day, lengths, entry, weights)

    survival = np.cumprod(1 - events / at_risk)
    # Where all end at once, this is infinite, and so is all after it.
    with np.errstate(divide="ignore"):
        relative_error = np.sqrt(np.cumsum(events / at_risk / (at_risk - events)))
    low, high = np.full((2, len(day)), np.nan)
    left = survival > 0
    bound = _log if interval == "log" else _log_log
    low[left], high[left] = bound(survival[left], relative_error[left])
    untouched = survival == 1
    low[untouched] = high[untouched] = 1.0
    return Curve(
        day, at_risk, events, censored, survival, low, high, start=1.0, until=_until(day, survival)
    )


def aalen_johansen(
    days: ArrayLike, event: ArrayLike, weights: ArrayLike | None = None
) -> dict[str, Curve]:
    """Estimate, for each way to end, the share that has ended so by each day.

    The shares of all ways and of those still there add up to 1. Events on the same day are one
    draw from those at risk: exact, whatever the order of rows.

    Parameters
    ----------
    days
        How long each lasted, or has lasted so far. Whole or not.
    event
        How it ended, such as `"won"` or `"lost"`; `""` or None when it has not (censored).
    weights
        How many each row stands for: whole numbers. One each, when left out.

    Returns
    -------
    dict of Curve
        By event, in alphabetical order; of a pandas categorical by category in its own order,
        those that never occur with a flat curve. The interval is complementary log-log, which
        stays between 0 and 1; NaN where the share is 0 or 1.

    References
    ----------
    O. O. Aalen and S. Johansen, Scandinavian Journal of Statistics 5 (1978), 141-150. The variance
    is the delta method's with the events of a day multinomial ("Greenwood type": P. K. Andersen
    et al., Statistical Models Based on Counting Processes (1993), section IV.4.1.3), which is the
    same number as the infinitesimal jackknife of R's survfit. The interval is that of M. Pintilie,
    Competing Risks (2006), section 4.1.

    Examples
    --------
    Of four deals, one was won on day 10, one is open since 20 days, one was lost on day 30 and one
    won on day 40. Half of those at risk on day 30, where 3/4 are left, are lost.

    >>> curves = aalen_johansen([10, 20, 30, 40], ["won", "", "lost", "won"])
    >>> {name: curve.at([10, 30, 40]).tolist() for name, curve in curves.items()}
    {'lost': [0.0, 0.375, 0.375], 'won': [0.25, 0.25, 0.625]}
    """
    lengths = _lengths(days)
    codes, names = _codes(event)
    _refuse_uneven(codes, lengths, "event")
    if any(name == 0 for name in names):
        raise StatisticsError('No estimate: 0 is no event; write "" or None for censored.')
    day, counts = _tally(lengths, codes + 1, len(names) + 1, _counts(weights, lengths))
    by_event = dict(zip(names, counts.T[1:], strict=True))
    censored = counts[:, 0] + by_event.pop("", 0)
    at_risk = _still_there(counts)
    ended = counts.sum(axis=1) - censored
    survival = np.cumprod(1 - ended / at_risk)
    survival_before = np.append(1.0, survival[:-1])[: len(day)]

    curves = {}
    for name, events in by_event.items():
        share = np.minimum(np.cumsum(survival_before * events / at_risk), 1.0)
        error = _incidence_error(share, events, ended, at_risk, survival_before)
        low, high = np.full((2, len(day)), np.nan)
        between = (share > 0) & (share < 1 - 1e-12)
        low[between], high[between] = _log_log(share[between], error[between] / share[between])
        curves[name] = Curve(
            day, at_risk, events, censored, share, low, high, 0.0, _until(day, survival)
        )
    return curves


def logrank(
    days: ArrayLike,
    observed: ArrayLike,
    group: ArrayLike,
    weights: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    rho: float = 0.0,
) -> tuple[float, float]:
    """Test whether groups last equally long, by the log-rank test.

    `weights` and `entry` are those of `kaplan_meier`. Each day counts with the share that was still
    there to the power `rho`: all alike at 0; early ones more at 1, which is Peto and Peto's
    version of Wilcoxon's test.

    Returns chi-squared, with one degree of freedom fewer than there are groups to compare, and p.
    A group of which nobody was there when anything ended says nothing and does not count.

    References
    ----------
    N. Mantel, Cancer Chemotherapy Reports 50 (1966), 163-170; D. P. Harrington and T. R. Fleming,
    Biometrika 69 (1982), 553-566, for `rho`; R's survdiff.

    Examples
    --------
    >>> chi2, p = logrank([1, 2, 3, 4, 5, 6], [True] * 6, ["a", "a", "a", "b", "b", "b"])
    >>> round(chi2, 2), round(p, 3)
    (5.05, 0.025)
    """
    from scipy.special import gammaincc

    lengths = _lengths(days)
    ended = _observed(observed, lengths)
    places, names = _codes(group)
    _refuse_uneven(places, lengths, "group")
    refuse(places < 0, "every row has a group")
    width = len(names)
    weights = _counts(weights, lengths)
    day, counts = _tally(lengths, ended * width + places, 2 * width, weights)
    censored, events = counts[:, :width], counts[:, width:]
    at_risk = np.cumsum((censored + events)[::-1], axis=0)[::-1]
    if entry is not None:
        entry = _numbers(entry, lengths, "entry")
        for place in range(width):
            own = places == place
            mine = None if weights is None else weights[own]
            at_risk[:, place] -= _not_yet_watched(day, lengths[own], entry[own], mine)

    all_events, all_at_risk = events.sum(axis=1), at_risk.sum(axis=1)
    share = at_risk / all_at_risk[:, None]
    survival = np.cumprod(1 - all_events / np.maximum(all_at_risk, 1))
    importance = np.concatenate([[1.0], survival[:-1]])[: len(survival)] ** rho
    surplus = importance @ (events - all_events[:, None] * share)
    # Hypergeometric: on a day, so many events fall on those at risk, without replacement.
    spread = all_events * (all_at_risk - all_events) / np.maximum(all_at_risk - 1, 1)
    spread = spread * importance**2
    variance = np.diag(spread @ share) - (share * spread[:, None]).T @ share

    # The surpluses add up to 0, so at least one direction has no variance: leave those out.
    size, direction = np.linalg.eigh(variance)
    varies = size > 1e-10 * max(size.max(initial=0), 1e-300)
    if not varies.any():
        raise StatisticsError(
            "No comparison: nothing was seen to end while two groups or more were there."
        )
    chi2 = np.sum((surplus @ direction[:, varies]) ** 2 / size[varies])
    return float(chi2), float(gammaincc(varies.sum() / 2, chi2 / 2))


def _log(share: np.ndarray, relative_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bound a share by the normal interval of its logarithm."""
    factor = np.exp(Z * relative_error)
    return share / factor, np.minimum(share * factor, 1.0)


def _log_log(share: np.ndarray, relative_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bound a share by the normal interval of the logarithm of its logarithm."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        power = np.exp(Z * relative_error / -np.log(share))
    return share**power, share ** (1 / power)


def _incidence_error(
    share: np.ndarray,
    events: np.ndarray,
    ended: np.ndarray,
    at_risk: np.ndarray,
    survival_before: np.ndarray,
) -> np.ndarray:
    """Work out the standard error of a cumulative incidence F, day by day.

    A chance h = d/n that is too high by x on day s moves F(t) by S(s-)·x if it is the event's own,
    and by -(F(t) - F(s))·x / (1 - h) as fewer are left. With the events of a day multinomial,

        V(t) = Σ S(s-)² h_k (1 - h_k) / n - 2 S(s-) (F(t) - F(s)) h_k / n
                 + (F(t) - F(s))² h / (1 - h) / n        over days s ≤ t,

    summed up with F(t) taken out of the sums.
    """
    left = at_risk - ended
    # Where nobody is left F moves no more, and the term is 0.
    any_end = np.where(left > 0, ended / at_risk / np.maximum(left, 1), 0.0)
    own = survival_before * events / at_risk / at_risk
    own_squared = survival_before * own * (at_risk - events) / at_risk
    variance = (
        share**2 * np.cumsum(any_end)
        - 2 * share * np.cumsum(share * any_end + own)
        + np.cumsum(share**2 * any_end + 2 * share * own + own_squared)
    )
    return np.sqrt(np.maximum(variance, 0))


def _until(day: np.ndarray, survival: np.ndarray) -> float:
    if not len(day):
        return np.nan
    return np.inf if survival[-1] == 0 else float(day[-1])


def _still_there(counts: np.ndarray) -> np.ndarray:
    """Count those who last to each day or longer."""
    return np.cumsum(counts.sum(axis=1)[::-1])[::-1]


def _not_yet_watched(
    day: np.ndarray, lengths: np.ndarray, entry: ArrayLike, weights: np.ndarray | None
) -> np.ndarray:
    """Count those who last to each day or longer, but come under watch on it or later."""
    entry = _numbers(entry, lengths, "entry")
    refuse(np.isnan(entry), "it is known when each came under watch")
    refuse(entry >= lengths, "each came under watch before its last day (-1: from the start)")
    order = np.argsort(entry, kind="stable")
    each = np.ones(len(entry), "int64") if weights is None else weights.astype("int64")
    watched = np.append(0, np.cumsum(each[order]))
    return watched[-1] - watched[np.searchsorted(entry[order], day, side="left")]


def _tally(
    lengths: np.ndarray, kind: np.ndarray, kinds: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Count rows by distinct day (down) and kind (across)."""
    longest = lengths.max(initial=0)
    # Whole days are their own places in the table, unless it were larger than the data.
    is_whole = lengths.dtype.kind in "iu" or np.array_equal(lengths, np.trunc(lengths))
    if is_whole and longest < len(lengths) + 100_000:
        day, place = np.arange(int(longest) + 1), lengths.astype(np.intp, copy=False)
    else:
        day, place = np.unique(lengths, return_inverse=True)
    counts = np.bincount(place * kinds + kind, weights, minlength=len(day) * kinds)
    counts = counts.astype("int64", copy=False).reshape(len(day), kinds)
    seen = counts.any(axis=1)
    return day[seen], counts[seen]


def _lengths(days: ArrayLike) -> np.ndarray:
    lengths = np.atleast_1d(np.asarray(days))
    if lengths.dtype.kind not in "iu":
        lengths = _numbers(days, lengths, "days")
        refuse(~np.isfinite(lengths), "every length is known")
    refuse(lengths < 0, "days are 0 or more")
    return lengths


def _observed(observed: ArrayLike, lengths: np.ndarray) -> np.ndarray:
    ended = _numbers(observed, lengths, "observed")
    refuse((ended != 0) & (ended != 1), "`observed` is true or false")
    return ended.astype(np.intp)


def _counts(weights: ArrayLike | None, lengths: np.ndarray) -> np.ndarray | None:
    if weights is None:
        return None
    weights = _numbers(weights, lengths, "weights")
    refuse(~(weights >= 0) | (weights % 1 != 0), "weights are whole numbers, 0 or more")
    return weights


def _codes(values: ArrayLike) -> tuple[np.ndarray, list]:
    """Give each row the number of its value, from 0, or -1 for none; and the names."""
    import pandas as pd

    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        values = pd.Categorical(values)
        return values.codes, list(values.categories)
    if not hasattr(values, "dtype"):
        values = np.array(values, dtype=object)
    codes, names = pd.factorize(values)
    order = sorted(range(len(names)), key=lambda place: str(names[place]))
    return np.append(np.argsort(order), -1)[codes], [names[place] for place in order]


def _numbers(values: ArrayLike, lengths: np.ndarray, what: str) -> np.ndarray:
    """Take a column as floats; one value stands for all rows."""
    values = np.asarray(values)
    if values.dtype.kind not in "biufO":
        raise StatisticsError(f"No estimate: `{what}` must be numbers.")
    try:
        values = values.astype(float)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"No estimate: `{what}` must be known numbers.") from error
    if values.ndim == 0:
        return np.full(len(lengths), values)
    _refuse_uneven(values, lengths, what)
    return values


def _refuse_uneven(column: np.ndarray, lengths: np.ndarray, what: str) -> None:
    if column.shape != lengths.shape:
        raise StatisticsError(
            f"No estimate: `{what}` has {number(len(column))} rows, `days` {number(len(lengths))}."
        )
