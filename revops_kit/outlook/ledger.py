"""Forecasts that were made, kept so that their accuracy can be measured later."""

import datetime as dt

import pandas as pd

from revops_kit.errors import RequestError
from revops_kit.outlook.ahead import spread
from revops_kit.outlook.look import LONGER, Outlook

COLUMNS = ["made_at", "as_of", "period", "mean", "low_80", "high_80", "model"]


def remember(outlook: Outlook, made_at: str) -> pd.DataFrame:
    """Keep a forecast in the workspace's history: its periods, and the longer ones they add up to.

    Parameters
    ----------
    made_at
        When it was made, as in 2026-10-01T07:00:00+00:00; empty: it is not kept.

    Returns
    -------
    DataFrame
        What was kept.

    Raises
    ------
    RequestError
        When `made_at` is no moment.
    """
    if not made_at or outlook.missing_because:
        return pd.DataFrame(columns=COLUMNS)
    try:
        moment = dt.datetime.fromisoformat(made_at)
    except ValueError:
        raise RequestError(
            f"made_at {made_at[:40]!r} is no moment. Write 2026-10-01T07:00:00+00:00."
        ) from None
    longer = outlook.ahead.by(LONGER[outlook.kind], outlook.ws.calendar)
    kept = pd.concat([outlook.ahead.frame, longer], ignore_index=True).drop(columns="start")
    kept = kept.drop_duplicates("period")
    with outlook.ws.open_history() as history:
        history.add_forecasts(
            outlook.kpi.name,
            kept,
            moment,
            outlook.model,
            as_of=outlook.ws.tables.as_of,
            unit=outlook.kpi.unit.name,
        )
    return kept.assign(made_at=moment, as_of=outlook.ws.tables.as_of, model=outlook.model)


def made_before(outlook: Outlook) -> pd.DataFrame:
    """List the forecasts of a figure that were kept before this one, the earliest first.

    Returns
    -------
    DataFrame
        `made_at`, `as_of`, `period`, `mean`, `low_80`, `high_80`, `model`; of no rows where none
        was kept. Of several made of one state of the data, the last.
    """
    if outlook.missing_because or not outlook.ws.has_history():
        return pd.DataFrame(columns=COLUMNS)
    with outlook.ws.open_history() as history:
        kept = history.forecasts(outlook.kpi.name, by="")[COLUMNS]
    earlier = kept[pd.to_datetime(kept.as_of) < pd.Timestamp(outlook.ws.tables.as_of)]
    return earlier.drop_duplicates(["as_of", "period"], keep="last", ignore_index=True)


def of_the_next(outlook: Outlook) -> pd.DataFrame:
    """Give how the forecast of the quarter that ends next has moved, today's last.

    Returns
    -------
    DataFrame
        A row per state of the data: `as_of`, `mean`, `low_80`, `high_80`.
    """
    columns = ["as_of", "mean", "low_80", "high_80"]
    if outlook.missing_because:
        return pd.DataFrame(columns=columns)
    earlier = made_before(outlook)
    earlier = earlier[earlier.period == outlook.next.label]
    now = spread(outlook.ahead.over(outlook.next)[:, None])
    today = pd.DataFrame({"as_of": [outlook.ws.tables.as_of]} | now)
    return pd.concat([earlier[columns], today[columns]] if len(earlier) else [today[columns]])
