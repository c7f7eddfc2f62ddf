"""When a report has something to say: figures past a threshold, moved, or out of the usual."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from revops_kit.periods import spoken
from revops_kit.units import percent, plural

if TYPE_CHECKING:
    from revops_kit.result import Result
    from revops_kit.workspace import Alert


@dataclass(frozen=True)
class Alarm:
    """An alert that has something to say.

    Attributes
    ----------
    kpi, condition
        What it is remembered by, such as churn and `above 0.03`.
    period, value
        What it is about.
    sentence
        For readers.
    is_new
        Whether its cool-down is over; it makes a report go out only then.
    """

    kpi: str
    condition: str
    period: str
    value: float
    sentence: str
    is_new: bool = True


def alarms(
    alerts: Iterable["Alert"],
    trends: Mapping[str, "Result"],
    logical_date: dt.date,
    told: Mapping[tuple[str, str], dt.date] | None = None,
) -> list[Alarm]:
    """Find what the alerts of a report have to say.

    Only whole periods count. Of a figure that still matures – it can only grow – nothing is said
    but that it is above a threshold. Where nothing can tell signal from noise, nothing is signal.

    Parameters
    ----------
    trends
        KPI name → its trend, over as many periods as `consecutive` asks for, and one more.
    told
        KPI and condition → the last logical date on which readers were told.
    """
    found = []
    for alert in alerts:
        trend = trends.get(alert.kpi)
        if trend is None or trend.unavailable:
            continue
        frame = trend.frame[~trend.frame.is_partial]
        if len(frame) < alert.consecutive or (frame.n.tail(alert.consecutive) < alert.min_n).any():
            continue
        last = frame.iloc[-1]
        for condition, held, said in _conditions(alert, trend, frame.value.to_numpy(dtype=float)):
            if not held[-alert.consecutive :].all():
                continue
            before = (told or {}).get((alert.kpi, condition))
            days = (logical_date - before).days if before and before < logical_date else None
            found.append(
                Alarm(
                    alert.kpi,
                    condition,
                    last.period,
                    float(last.value),
                    _sentence(trend, last, said, alert.consecutive),
                    is_new=days is None or days >= alert.cooldown_days,
                )
            )
    return found


def _conditions(
    alert: "Alert", trend: "Result", values: np.ndarray
) -> list[tuple[str, np.ndarray, str]]:
    """List the conditions of an alert: what each is called, where it holds, how it is said."""
    unit, listed = trend.kpi.unit, []
    if alert.above is not None:
        said = f"above {unit.write(alert.above, trend.currency)}"
        listed.append((f"above {alert.above:g}", values > alert.above, said))
    if trend.kpi.matures:
        return listed
    if alert.below is not None:
        said = f"below {unit.write(alert.below, trend.currency)}"
        listed.append((f"below {alert.below:g}", values < alert.below, said))
    if alert.change is not None:
        steps = np.diff(values, prepend=np.nan)
        before = np.abs(values - steps)
        # From nothing, everything is a large step.
        held = np.abs(steps) > alert.change * before
        moved = unit.write_change(steps[-1], trend.currency)
        said = f"{moved} on the period before, more than {percent(alert.change)} of it"
        listed.append((f"change {alert.change:g}", held, said))
    if alert.signal and not trend.kpi.is_cumulative:
        process = trend.process
        held = np.array([process.is_signal(place) for place in range(len(process.values))])
        listed.append(("signal", held, "outside its natural variation"))
    return listed


def _sentence(trend: "Result", last: object, said: str, consecutive: int) -> str:
    value = trend.kpi.unit.write(last.value, trend.currency)
    words = f"{trend.kpi.title} in {spoken(last.period)}: {value} – {said}"
    if last.period == "all":
        words = f"{trend.kpi.title} so far: {value} – {said}"
    if consecutive > 1:
        words += f", for {plural(consecutive, 'period')} in a row"
    return f"{words}."
