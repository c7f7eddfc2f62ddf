"""The forecasts that the kit made itself, as the table `forecasts`."""

import ibis
import pandas as pd

from revops_kit.history import History
from revops_kit.periods import parse
from revops_kit.sources import Health, Source

COLUMNS = {"made_on": "date", "month": "date", "amount": "float64"}
INTERVALS = {f"{end}_{level}": "float64" for level in (80, 95) for end in ("low", "high")}


def forecasts(history: History, kpi: str, con: ibis.BaseBackend) -> Source:
    """Give the forecasts kept of a figure, by month, as if they had been submitted.

    Parameters
    ----------
    kpi
        The figure, such as bookings.

    Returns
    -------
    Source
        `made_on` (the day after the last that was known), `month`, `amount` and the intervals.
    """
    made = history.forecasts(kpi, by="")
    spans = [parse(label) for label in made.period]
    made = made.assign(month=[span.start for span in spans])
    made = made[[span.kind == "month" for span in spans]]
    # Made the morning after: by what was known then, not by when somebody ran it again.
    made["made_on"] = pd.to_datetime(made.as_of).dt.date + pd.Timedelta(days=1)
    made = made.rename(columns={"mean": "amount"})
    made = made.drop_duplicates(["made_on", "month"], keep="last")[[*COLUMNS, *INTERVALS]]
    table = con.create_table(
        "revops_own_forecasts",
        ibis.memtable(made, schema=ibis.schema(COLUMNS | INTERVALS)),
        temp=True,
        overwrite=True,
    )
    days = made.made_on
    span = (days.min(), days.max()) if len(made) else (None, None)
    return Source("forecasts", table, Health(len(made), 0, *span))
