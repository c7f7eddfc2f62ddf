"""Conversion rate: of the leads created in a period, the share that has become customers."""

from dataclasses import replace

import ibis
import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, proportion
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the leads created in each period, and mark those that are customers by now.

    Parameters
    ----------
    tables
        Needs `leads`, and `leads.converted_at` or `opportunities.lead_id`.
    periods
        A lead counts in the period its `created_at` falls in, whenever it converts.

    Returns
    -------
    Table, one row per lead
        The columns of `leads`, and

        period : date
            First day of the period the lead was created in.
        numerator : int
            1 for a lead that has become a customer, 0 for one that has not.
        denominator : int
            Always 1.

    Notes
    -----
    A lead is a customer when marketing says so (`converted_at`) or when sales won a deal that
    came from it. Young leads have had less time: compare cohorts of equal age.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> leads = rows(tiny(), Periods("2026-07"))
    >>> leads.order_by("lead_id").numerator.to_list()
    [1, 0]
    """
    names = deals.counted(tables, "lead_id", "created_at", "converted_at")
    leads = periods.assign(tables.pick("leads", *names), on="created_at")
    is_customer = leads.converted_at.notnull()
    if tables.has("opportunities", "lead_id"):
        # Only their leads are asked for; a column to split by would cost a join.
        won = deals.won(replace(tables, by=""), "lead_id").drop_null("lead_id")
        won = won.select(_won="lead_id").distinct()
        leads = leads.left_join(won, leads.lead_id == won._won)
        is_customer = leads.converted_at.notnull() | leads._won.notnull()
    counted = leads.mutate(numerator=is_customer.cast("int32"), denominator=ibis.literal(1))
    return counted.drop("_won") if "_won" in counted.columns else counted


conversion_rate = Kpi(
    name="conversion_rate",
    title="Conversion rate",
    question="Of the leads created in the period, what share has become customers?",
    formula="leads that are customers by now / leads created in the period",
    unit=SHARE,
    better="higher",
    counts="leads",
    empty="no leads were created",
    needs={"leads": ("created_at",)},
    either=("leads.converted_at", "opportunities.lead_id"),
    rows=rows,
    summary=proportion,
    matures=True,
)
