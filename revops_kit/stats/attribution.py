"""Which channels get the credit for conversions: rules, Markov removal effects, Shapley values.

Attribution divides what was won among the channels that were there. It does not say what would
have happened without them: rules are conventions, and Markov and Shapley describe the paths seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from revops_kit.errors import StatisticsError, UnknownNameError
from revops_kit.stats.arrays import refuse

NO_TOUCH = "(no touch)"
HALF_LIFE_DAYS = 7


def credit(paths: pd.DataFrame, model: str, of: str = "conversions") -> pd.Series:
    """Divide conversions, or their value, among the channels that led to them.

    Parameters
    ----------
    paths
        One row per path, or per journey; equal paths may stand in several rows.

        path : list or text
            The channels in the order they were touched; as text, with ">" between them. A blank
            channel is one of its own (""); a path that is empty or missing goes to "(no touch)".
        conversions : number
            How many journeys along this path converted.
        value : number, for `of="value"`
            What those conversions are worth together.
        nulls : number, optional
            How many journeys along this path did not convert; only "markov" asks. Left out, a row
            without conversions is one such journey.
        days : list, for "time_decay"
            For each touch, the days from it to the conversion.
        milestones : pair, for "w"
            Which touch created the lead and which the opportunity, counted from 1; None for one
            that no touch stands for.
    model
        "first", "last", "linear"
            All to the first or last touch, or the same to each.
        "u"
            40 % to the first and the last touch each, 20 % to the others together.
        "w"
            30 % to the first touch and to each milestone, 10 % to the others together. A touch
            that is several of these gets the sum.
        "time_decay"
            Half as much for every seven days before the conversion.
        "markov"
            By removal effect (see `removal_effects`).
        "shapley"
            A channel's contribution averaged over every order in which the channels may join,
            where a set of channels wins what came along paths with no channel outside it. Exact
            for any number of channels: each path's share is the same for every channel on it,
            however often touched.
    of
        "conversions" or "value". Markov divides both in the same proportions.

    Returns
    -------
    Series by channel, sorted by name
        Sums to the total. Channels that only stand on paths without conversions are among them;
        "(no touch)" is, where there are empty paths, and gets exactly what came along those. The
        rules share a part that no touch takes (two touches have no middle) among the others in
        proportion, so U gives two touches half each, and any rule gives a single touch all.

    Notes
    -----
    "time_decay" without `days` and "w" without `milestones` are refused: positions in a path tell
    neither how long ago a touch was nor what it brought about.

    References
    ----------
    E. Anderl et al., "Mapping the customer journey", IJRM 33 (2016), 457-474, for the Markov chain.
    K. Zhao et al., arXiv:1804.05327 (2018), for the short form of the Shapley value.

    Examples
    --------
    >>> paths = pd.DataFrame({"path": ["ad > mail", "ad", ""], "conversions": [4, 2, 1]})
    >>> credit(paths, "linear").to_dict()
    {'(no touch)': 1.0, 'ad': 4.0, 'mail': 2.0}
    """
    name = model.casefold().replace(" ", "_")
    if name not in MODELS:
        raise UnknownNameError("an attribution model", model, MODELS)
    if of not in ("conversions", "value"):
        raise UnknownNameError("a total", of, ["conversions", "value"])
    conversions = _amounts(paths, "conversions")
    total = _amounts(paths, of)
    refuse((conversions == 0) & (total > 0), "only paths with conversions have a value")

    journeys = _Journeys.read(paths)
    touched = journeys.touches > 0
    if name == "markov":
        lost = _lost_without(journeys)
        credits = lost / (lost.sum() or 1) * total[touched].sum()
    else:
        converting = journeys.where(touched & (total > 0))
        share = converting.share_within_path(RULES[name](converting))
        amount = np.repeat(total[touched & (total > 0)], converting.touches)
        credits = np.bincount(converting.channel, share * amount, len(journeys.channels))

    by_channel = pd.Series(credits, index=journeys.channels, name=of, dtype=float)
    if not touched.all():
        # The label may be a channel's name already, where a source writes it so.
        by_channel[NO_TOUCH] = by_channel.get(NO_TOUCH, 0.0) + total[~touched].sum()
    return by_channel.sort_index()


def removal_effects(paths: pd.DataFrame) -> pd.Series:
    """Tell what share of conversions would be lost if all who reach a channel were lost there.

    A journey is taken as a Markov chain of first order: from each channel to the next, to
    conversion or to nothing, with the chances found in `paths` (as in `credit`). Solved exactly,
    not simulated. Empty paths are left out. NaN where no path with a touch converts.

    Examples
    --------
    >>> toy = pd.DataFrame({"path": ["C1 > C2 > C3", "C1", "C2 > C3"], "conversions": [1, 0, 0]})
    >>> removal_effects(toy).round(9).to_dict()
    {'C1': 0.5, 'C2': 1.0, 'C3': 1.0}
    """
    journeys = _Journeys.read(paths)
    won = _amounts(paths, "conversions")[journeys.touches > 0].sum()
    effects = _lost_without(journeys) / (won or np.nan)
    return pd.Series(effects, index=journeys.channels, name="removal_effect").sort_index()


@dataclass(frozen=True)
class _Journeys:
    """Paths as flat arrays, one entry per touch, in the order of the frame they came from."""

    frame: pd.DataFrame
    channels: pd.Index
    channel: np.ndarray  # of each touch, as its place in `channels`
    touches: np.ndarray  # of each path

    @classmethod
    def read(cls, paths: pd.DataFrame) -> "_Journeys":
        flat, touches = [], []
        for path in _column(paths, "path", "the channels touched").tolist():
            touched = _touched(path)
            flat.extend(touched)
            touches.append(len(touched))
        codes, found = pd.factorize(pd.Series(flat, dtype=object), use_na_sentinel=False)
        # Tidying the few names found is much faster than tidying every touch.
        names = ["" if pd.isna(name) else str(name).strip() for name in found]
        tidied, channels = pd.factorize(np.array(names, dtype=object))
        touches = np.array(touches, dtype=int)
        return cls(paths, pd.Index(channels, name="channel"), tidied[codes], touches)

    def where(self, kept: np.ndarray) -> "_Journeys":
        channel = self.channel[np.repeat(kept, self.touches)]
        return _Journeys(self.frame[kept], self.channels, channel, self.touches[kept])

    @cached_property
    def path(self) -> np.ndarray:
        """Number the path of each touch."""
        return np.repeat(np.arange(len(self.touches)), self.touches)

    @cached_property
    def place(self) -> np.ndarray:
        """Count each touch's place in its path, from 1."""
        before = np.cumsum(self.touches) - self.touches
        return np.arange(1, len(self.channel) + 1) - before[self.path]

    @property
    def is_first(self) -> np.ndarray:
        return self.place == 1

    @property
    def is_last(self) -> np.ndarray:
        return self.place == self.touches[self.path]

    def share_within_path(self, weight: np.ndarray) -> np.ndarray:
        """Scale the touches' weights so that each path's sum to 1."""
        return weight / np.bincount(self.path, weight, len(self.touches))[self.path]


def _linear(journeys: _Journeys) -> np.ndarray:
    return np.ones(len(journeys.channel))


def _u(journeys: _Journeys) -> np.ndarray:
    return _peaks(journeys, [journeys.is_first, journeys.is_last], each=0.4, others=0.2)


def _w(journeys: _Journeys) -> np.ndarray:
    meaning = "the touches that created the lead and the opportunity, counted from 1"
    pairs = _column(journeys.frame, "milestones", meaning).tolist()
    is_pair = [isinstance(pair, list | tuple | np.ndarray) and len(pair) == 2 for pair in pairs]
    refuse(~np.array(is_pair, dtype=bool), "milestones are a pair for each path that converts")
    places = np.array(pairs, dtype=float).reshape(-1, 2)
    possible = (places >= 1) & (places <= journeys.touches[:, None]) & (places % 1 == 0)
    refuse(~(possible | np.isnan(places)), "milestones are the number of a touch, or None")
    lead, opportunity = journeys.place == places[journeys.path].T
    return _peaks(journeys, [journeys.is_first, lead, opportunity], each=0.3, others=0.1)


def _peaks(journeys: _Journeys, peaks: list[np.ndarray], each: float, others: float) -> np.ndarray:
    """Weigh a touch by the peaks that it is, and share the rest among the touches between."""
    is_peak = np.sum(peaks, axis=0)
    between = np.bincount(journeys.path, is_peak == 0, len(journeys.touches))
    return np.where(is_peak > 0, each * is_peak, others / np.maximum(between, 1)[journeys.path])


def _time_decay(journeys: _Journeys) -> np.ndarray:
    listed = _column(journeys.frame, "days", "the days from each touch to the conversion").tolist()
    lengths = [len(days) if pd.api.types.is_list_like(days) else -1 for days in listed]
    refuse(lengths != journeys.touches, "a path that converts has its days for each touch")
    days = np.array([day for days in listed for day in days], dtype=float)
    refuse(~(days >= 0) | np.isinf(days), "days before the conversion are known, and 0 or more")
    later = np.diff(days, append=0) > 0
    refuse(later & ~journeys.is_last, "days before the conversion fall along the path")
    # Counted from the last touch: touches of twenty years ago would all weigh nothing.
    since = days - days[journeys.is_last][journeys.path]
    return 0.5 ** (since / HALF_LIFE_DAYS)


def _shapley(journeys: _Journeys) -> np.ndarray:
    # The conversions of one path are a game that only all of its channels together win; the value
    # of such a game is the same for each of them, and the values of games add up.
    pair = journeys.path * len(journeys.channels) + journeys.channel
    _, which, times = np.unique(pair, return_inverse=True, return_counts=True)
    return 1 / times[which]


RULES: dict[str, Callable[[_Journeys], np.ndarray]] = {
    "first": lambda journeys: journeys.is_first.astype(float),
    "last": lambda journeys: journeys.is_last.astype(float),
    "linear": _linear,
    "u": _u,
    "w": _w,
    "time_decay": _time_decay,
    "shapley": _shapley,
}
MODELS = (*RULES, "markov")


def _lost_without(journeys: _Journeys) -> np.ndarray:
    """Count the conversions that the Markov chain loses when a channel leads nowhere.

    Let N be the inverse of I - Q, where Q holds the chances from channel to channel. A journey
    comes by channel i with chance v(i) / N(i, i), v being the visits expected – those that were
    seen, since the chances were found in them – and converts from there with chance (N r)(i), r
    being the chances to convert next. Their product is what is lost without i, so that one inverse
    serves all channels.
    """
    conversions = _amounts(journeys.frame, "conversions")
    if "nulls" in journeys.frame:
        nulls = _amounts(journeys.frame, "nulls")
    else:
        nulls = (conversions == 0).astype(float)
    weight = (conversions + nulls)[journeys.path]
    size = len(journeys.channels)
    visits = np.bincount(journeys.channel, weight, size)
    chance = 1 / np.where(visits > 0, visits, np.inf)

    moves = ~journeys.is_last
    pair = journeys.channel[moves] * size + np.roll(journeys.channel, -1)[moves]
    onward = np.bincount(pair, weight[moves], size * size).reshape(size, size)
    ends = journeys.is_last
    won = np.bincount(journeys.channel[ends], conversions[journeys.path[ends]], size)

    inverse = np.linalg.inv(np.eye(size) - onward * chance[:, None])
    return visits / np.diag(inverse) * (inverse @ (won * chance))


def _touched(path: object) -> list:
    """List the channels of a path."""
    if isinstance(path, str):
        return path.split(">") if path.strip() else []
    if pd.api.types.is_list_like(path):
        return list(path)
    return [] if pd.isna(path) else [path]


def _column(paths: pd.DataFrame, name: str, meaning: str) -> pd.Series:
    if name not in paths:
        raise StatisticsError(f"No credit without the column `{name}`: {meaning}.")
    return paths[name]


def _amounts(paths: pd.DataFrame, name: str) -> np.ndarray:
    amounts = _column(paths, name, "a number for each path").to_numpy(dtype=float, na_value=np.nan)
    refuse(~((amounts >= 0) & np.isfinite(amounts)), f"`{name}` are known, and 0 or more")
    return amounts
