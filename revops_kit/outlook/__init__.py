"""What lies ahead: a figure's own past carried on, what the pipeline implies, and both together.

look                          all of it, for a notebook
Scenario                      what if
"""

from revops_kit.outlook.drawing import Scenario
from revops_kit.outlook.look import Outlook, look

__all__ = ["Outlook", "Scenario", "look"]
