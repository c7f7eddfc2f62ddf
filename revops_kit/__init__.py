"""Revenue operations in notebooks: KPIs across marketing, sales and service.

    import revops_kit as rk
    ws = rk.open("revops.toml", as_of="2026-10-31")
    rk.kpis.win_rate(ws, "2026-09", by="region")
"""

from revops_kit import kpis, units
from revops_kit.periods import last, shift
from revops_kit.workspace import open_workspace as open  # noqa: A004

__all__ = ["kpis", "last", "open", "shift", "units"]
__version__ = "0.1.0"
