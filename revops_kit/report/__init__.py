"""A notebook and its parameters become one HTML file that needs nothing else."""

from revops_kit.report.parameters import Parameter, check_parameters, parameters_of
from revops_kit.report.running import Outcome, run

__all__ = ["Outcome", "Parameter", "check_parameters", "parameters_of", "run"]
