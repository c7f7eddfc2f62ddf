"""What lies ahead: a figure's own past carried on, what the pipeline implies, and both together.

look                          all of it, for a notebook
Scenario                      what if; levers runs it
segments · rivals · doubts    where it comes from, how it compares, what could make it wrong
ledger                        what was forecast before
"""

from revops_kit.outlook.drawing import Scenario
from revops_kit.outlook.look import Outlook, look

NAMES = {
    "mean": "expected",
    "low_80": "80 % from",
    "high_80": "80 % to",
    "mase": "MASE",
    "smape": "sMAPE",
    "wape": "WAPE",
    "coverage_80": "within 80 %",
}
"""How the columns of frames are headed where people read them."""

__all__ = ["NAMES", "Outlook", "Scenario", "look"]
