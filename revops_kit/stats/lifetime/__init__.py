"""How long customers stay, how often they buy and what they spend, by maximum likelihood.

    fit_sbg, fit_sbg_durations    contracts: who renews            shifted-beta-geometric
    fit_bg_nbd, fit_pareto_nbd    no contract: who buys again      BG/NBD, Pareto/NBD
    fit_gamma_gamma               what they spend at a time        Gamma-Gamma

Customers with the same history count as one history with a weight, so that a million fit about as
fast as they are grouped. Times are in any one unit (periods, weeks, days), which the results keep.

A fit is refused, with the reason, where the likelihood has no maximum and no limit that makes
sense. Where it is highest at a limit that does (all customers alike, nobody dropping out), the
limit is given by large or small parameters, and `notes` say so.
"""

from revops_kit.stats.lifetime.bg_nbd import BgNbd, fit_bg_nbd
from revops_kit.stats.lifetime.gamma_gamma import GammaGamma, fit_gamma_gamma
from revops_kit.stats.lifetime.pareto_nbd import ParetoNbd, fit_pareto_nbd
from revops_kit.stats.lifetime.sbg import (
    ShiftedBetaGeometric,
    fit_sbg,
    fit_sbg_durations,
    renewals,
)

__all__ = [
    "BgNbd",
    "GammaGamma",
    "ParetoNbd",
    "ShiftedBetaGeometric",
    "fit_bg_nbd",
    "fit_gamma_gamma",
    "fit_pareto_nbd",
    "fit_sbg",
    "fit_sbg_durations",
    "renewals",
]
