"""Renewal churn: of the customers up for renewal, the share that was lost."""

import ibis.expr.types as ir

from revops_kit import deals, recurring
from revops_kit.kpi import Kpi, LeftOut, proportion
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick what was up for renewal in each period, and mark what was not renewed.

    Parameters
    ----------
    tables
        Needs `opportunities` with a `type`; where there is none, `subscriptions` that all have an
        end, for these are terms: what only ends when it is cancelled is never up for renewal.
    periods
        A renewal counts in the period it was decided in; a term in the period of its last day.

    Returns
    -------
    Table, one row per renewal decided, or per customer with a term that ended
        With `period`, `numerator` (1 for a renewal lost, or a customer who pays nothing when the
        period ends) and `denominator` (always 1).

    Examples
    --------
    >>> from revops_kit.samples import tables
    >>> deals = [("1", "won", "renewal"), ("2", "lost", "renewal"), ("3", "lost", "new")]
    >>> names = ("opportunity_id", "outcome", "type")
    >>> known = tables({"opportunities": [
    ...     dict(zip(names, deal), closed_at="2026-09-09") for deal in deals
    ... ]})
    >>> rows(known, Periods("2026-09")).order_by("opportunity_id").numerator.to_list()
    [0, 1]
    """
    if tables.has("opportunities", "type"):
        renewals = deals.decided(tables, *deals.counted(tables, "type"))
        decided = renewals.filter(renewals.type == "renewal")
        lost = (decided.outcome == "lost").cast("int32")
        return periods.assign(decided, on="closed_at", numerator=lost, denominator=1)
    customers = recurring.of_the_start(tables, periods, "ended_in")
    due = customers.filter(customers.ended_in)
    return due.mutate(numerator=(due.end_mrr == 0).cast("int32"), denominator=1)


def needed(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Say what it needs: renewals by name, unless every subscription is a term with an end."""
    if not tables.has("opportunities", "type") and _are_terms(tables):
        return {"subscriptions": ("started_on", "ended_on", "mrr")}
    return {"opportunities": ("type", "outcome", "closed_at")}


def undecided(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the renewals that were due and are still open, and those without a date."""
    if not tables.has("opportunities", "type"):
        return []
    renewals = deals.known(tables, "type", "expected_close")
    renewals = renewals.filter(renewals.type == "renewal")
    due = renewals.filter(
        renewals.outcome == "open",
        renewals.expected_close.cast("date") < min(periods.end, periods.known_until),
    )
    undated = renewals.filter(renewals.outcome != "open", renewals.closed_at.isnull())
    return [
        LeftOut(due.count(), "renewal", "due by the end of the last period still open: left out"),
        LeftOut(undated.count(), "renewal", "decided without a date: in no period"),
    ]


def source(tables: Tables) -> list[str]:
    """Say what tells who was up for renewal."""
    if tables.has("opportunities", "type"):
        return [
            "Counted by opportunities of type renewal. Who leaves without one is not among them: "
            "`churn` counts everybody."
        ]
    return [
        "Counted by subscriptions, which all have an end: each is a term, and is renewed when its "
        "customer still pays at the end of the period."
    ]


def _are_terms(tables: Tables) -> bool:
    """Tell whether no subscription goes on until it is cancelled."""
    if not tables.has("subscriptions", "ended_on"):
        return False
    every = tables.sources["subscriptions"].table
    endless = every.filter(every.ended_on.isnull()).limit(1)
    return not endless.count().to_pyarrow().as_py()


renewal_churn = Kpi(
    name="renewal_churn",
    title="Renewal churn",
    question="Of the customers up for renewal in the period, what share did we lose?",
    formula="renewals lost / (renewals won + renewals lost)",
    unit=SHARE,
    better="lower",
    counts="renewals",
    empty="nothing was up for renewal",
    needs={},
    either=("opportunities.type", "subscriptions.ended_on"),
    also=needed,
    policies=("grain",),
    rows=rows,
    summary=proportion,
    left_out=undecided,
    notes=source,
)
