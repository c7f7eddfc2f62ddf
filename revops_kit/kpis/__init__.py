"""Every KPI, one file each; this is the list."""

from revops_kit.errors import UnknownNameError
from revops_kit.kpi import Kpi
from revops_kit.kpis.bookings import bookings
from revops_kit.kpis.cac import cac
from revops_kit.kpis.churn import churn
from revops_kit.kpis.clv import clv
from revops_kit.kpis.conversion_rate import conversion_rate
from revops_kit.kpis.forecast_accuracy import forecast_accuracy
from revops_kit.kpis.forecast_bias import forecast_bias
from revops_kit.kpis.gross_revenue_retention import gross_revenue_retention
from revops_kit.kpis.mrr import mrr
from revops_kit.kpis.net_revenue_retention import net_revenue_retention
from revops_kit.kpis.payments import payments
from revops_kit.kpis.pipeline_coverage import pipeline_coverage
from revops_kit.kpis.pipeline_velocity import pipeline_velocity
from revops_kit.kpis.quick_ratio import quick_ratio
from revops_kit.kpis.renewal_churn import renewal_churn
from revops_kit.kpis.revenue import revenue
from revops_kit.kpis.revenue_churn import revenue_churn
from revops_kit.kpis.sales_cycle import sales_cycle
from revops_kit.kpis.spend import spend
from revops_kit.kpis.win_rate import win_rate

ALL: tuple[Kpi, ...] = (
    revenue,
    bookings,
    mrr,
    payments,
    conversion_rate,
    win_rate,
    sales_cycle,
    pipeline_velocity,
    pipeline_coverage,
    forecast_accuracy,
    forecast_bias,
    spend,
    cac,
    clv,
    churn,
    renewal_churn,
    revenue_churn,
    net_revenue_retention,
    gross_revenue_retention,
    quick_ratio,
)
"""The KPIs, in the order in which reports show them."""


def named(name: str) -> Kpi:
    """Find a KPI by its name.

    Examples
    --------
    >>> named("win_rate").title
    'Win rate'
    """
    known = {kpi.name: kpi for kpi in ALL}
    if name not in known:
        raise UnknownNameError("a KPI", name, known)
    return known[name]
