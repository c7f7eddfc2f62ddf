"""Everything that can go wrong, as a tree.

    RevopsError                 it failed (exit code 1)
    ├── SourceError             a file or database cannot be read
    ├── ContractError           a table does not hold what its contract promises
    ├── ReportError             a report cannot be made or put in its place
    ├── MailError               a mail cannot be sent, or the server not used
    ├── StatisticsError         the data allow no estimate, with the reason
    └── RequestError            asked wrongly (exit code 2)
        ├── WorkspaceError      revops.toml cannot be used
        ├── PeriodError         a period or date cannot be understood
        └── UnknownNameError    there is nothing of that name

A message says what is wrong, where, and what to do next. It shows counts and line numbers and
keeps customers' values to itself.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RevopsError(Exception):
    """Say in one sentence what went wrong and what to do next."""

    exit_code = 1


class SourceError(RevopsError):
    """A file or database cannot be read."""


class ContractError(RevopsError):
    """A table does not hold what its contract promises."""


class ReportError(RevopsError):
    """A report cannot be made or put in its place."""


class MailError(RevopsError):
    """A mail cannot be sent, or the server cannot be used."""


class StatisticsError(RevopsError):
    """The data allow no estimate; the message is the reason."""


class RequestError(RevopsError):
    """What was asked for makes no sense as it stands."""

    exit_code = 2


class WorkspaceError(RequestError):
    """`revops.toml` cannot be used."""


class PeriodError(RequestError):
    """A period or date cannot be understood."""


class UnknownNameError(RequestError):
    """There is nothing of that name.

    Parameters
    ----------
    kind
        What the name was taken for, with its article: `"a KPI"`.
    name
        What was asked for.
    known
        What there is.
    where
        Where it was looked for, such as `"in win_rate.ipynb"`.

    Examples
    --------
    >>> print(UnknownNameError("a KPI", "win_rat", ["win_rate", "cac"]))
    There is no KPI 'win_rat'. Did you mean 'win_rate'? Known: cac, win_rate.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = ""):
        known = sorted(known)
        noun = kind.removeprefix("an ").removeprefix("a ")
        place = f" {where}" if where else ""
        super().__init__(
            f"There is no {noun} {name!r}{place}.{did_you_mean(name, known)} "
            f"Known: {', '.join(known) if known else 'none'}."
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known name nearest to `name`, as a sentence with a space before it, or nothing.

    Examples
    --------
    >>> did_you_mean("amuont", ["amount", "owner"])
    " Did you mean 'amount'?"
    >>> did_you_mean("xyz", ["amount", "owner"])
    ''
    """
    folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""
