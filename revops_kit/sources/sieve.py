"""Which rows of a source are left out, and what is told of those that stay."""

from dataclasses import dataclass, field

import numpy as np

from revops_kit.sources.health import LINES_SHOWN, Problem, where_at


@dataclass
class Sieve:
    """Which rows of a source are left out, and why."""

    file: str
    lines: np.ndarray
    out: np.ndarray = field(init=False)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.out = np.zeros(len(self.lines), dtype=bool)

    def reject(self, kind: str, column: str | None, rows: np.ndarray, reason: str) -> None:
        """Leave out the rows at some positions."""
        if len(rows):
            self.out[rows] = True
            self.tell(kind, column, self.lines[rows], reason)

    def tell(self, kind: str, column: str | None, lines: np.ndarray, reason: str) -> None:
        """Report lines without leaving them out."""
        lines = sorted(int(line) for line in lines)
        named = f"column {column!r} " if column else ""
        message = f"{where_at(self.file, lines)}: {named}{reason}"
        self.problems.append(Problem(kind, column, len(lines), tuple(lines[:LINES_SHOWN]), message))
