"""Revenue operations in notebooks: KPIs across marketing, sales and service.

In a notebook:

    import revops_kit as rk
    ws = rk.open("revops.toml", as_of="2026-10-31")
    rk.kpis.win_rate(ws, "2026-09", by="region")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revops_kit import kpis, units
    from revops_kit.periods import last, shift
    from revops_kit.workspace import open_workspace as open

__all__ = ["kpis", "last", "open", "shift", "units"]
__version__ = "0.1.0"

FUNCTIONS = {
    "last": "revops_kit.periods:last",
    "open": "revops_kit.workspace:open_workspace",
    "shift": "revops_kit.periods:shift",
}


def __getattr__(name: str) -> Any:
    # Imported when they are asked for: `revops --help` would otherwise wait for all of them.
    if name in FUNCTIONS:
        module, _, function = FUNCTIONS[name].partition(":")
        return getattr(import_module(module), function)
    if name in __all__:
        return import_module(f"revops_kit.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
