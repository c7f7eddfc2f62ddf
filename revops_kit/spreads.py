"""Definition spread: one figure as others count it, and the customers that make the difference.

Published conventions share a name and not a count. A spread sets them side by side over one table
of customers, asked once, and reaches those whom a convention counts otherwise than the house does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit.errors import UnknownNameError
from revops_kit.kpi import Kpi
from revops_kit.periods import spoken
from revops_kit.units import Unit, plural
from revops_kit.wording import Words

PARTS = ["numerator", "denominator"]
SIGNS = ["counted_more", "counted_less", "base_more", "base_less"]
NAMED = 10


@dataclass(frozen=True, eq=False)
class Convention:
    """One way to count a figure.

    Attributes
    ----------
    name, rule
        What it is called, and how it counts, in a reader's words.
    numerator, denominator
        What each customer adds, over the spread's customers; sums have a denominator of 0.
    why
        What it is about a customer that conventions differ on.
    missing_because
        Why it cannot be counted here; empty when it can.
    """

    name: str
    rule: str
    numerator: ir.NumericValue
    denominator: ir.NumericValue
    why: ir.StringValue
    missing_because: str = ""


@dataclass(frozen=True, eq=False)
class Spread:
    """One figure by each convention.

    Attributes
    ----------
    kpi, period
        What is counted, and when.
    conventions
        The house's own first.
    customers
        What they count, one row each, with `customer` and `mrr`, lazily.
    counted, base
        What numerator and denominator are, in a word or two.
    missing_because
        Why there is nothing to compare; empty when there is.
    """

    kpi: Kpi
    period: str
    currency: str
    counted: str
    base: str
    unit: Unit
    conventions: tuple[Convention, ...] = ()
    customers: ir.Table | None = field(default=None, repr=False)
    missing_because: str = ""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Give the figure by each convention, in one query.

        Returns
        -------
        DataFrame
            `convention` and its `rule`, `value`, `numerator`, `denominator`, how many customers it
            counts more or for more than the house does, and less (`counted_more`,
            `counted_less`, and `base_more`, `base_less` of the denominator), `differs`: how many
            in all, and `missing_because`. The house's own comes first.
        """
        columns = ["convention", "rule", "value", *PARTS, *SIGNS, "differs", "missing_because"]
        if self.missing_because:
            return pd.DataFrame(columns=columns)
        rows = []
        for place, each in enumerate(self.conventions):
            row = {"convention": each.name, "rule": each.rule} | self._counted(place)
            why = each.missing_because
            if self.kpi.summary.is_sum:
                row["value"] = row["numerator"]
            else:
                row["value"] = row["numerator"] / (row["denominator"] or np.nan)
                why = why or ("" if row["denominator"] else self.kpi.empty)
            rows.append(row | {"missing_because": why})
        return pd.DataFrame(rows)[columns]

    def rows(self, convention: str) -> ir.Table:
        """Reach the customers that a convention counts otherwise than the house, lazily.

        Returns
        -------
        Table, one row per customer
            The columns of `customers`, with `numerator` and `denominator`, what the house has in
            their places (`house_numerator`, `house_denominator`), and `why`. The differences add
            up to that of the figure's parts.

        Raises
        ------
        UnknownNameError
            When there is no such convention.
        """
        if self.missing_because:
            return ibis.memtable([], schema={"customer": "string", "why": "string"})
        each, house = self._named(convention), self.conventions[0]
        rows = self.customers.mutate(
            numerator=each.numerator,
            denominator=each.denominator,
            house_numerator=house.numerator,
            house_denominator=house.denominator,
            why=each.why,
        )
        return rows.filter(
            (rows.numerator != rows.house_numerator) | (rows.denominator != rows.house_denominator)
        )

    def reasons(self, names: int = 3) -> pd.DataFrame:
        """Say what makes each convention's difference from the house, and who.

        Parameters
        ----------
        names
            How many customers to name of each kind, those with the highest MRR first; `NAMED` at
            most.

        Returns
        -------
        DataFrame
            A row per convention and reason: `convention`, `why`, how many `customers`, what they
            add to the two parts, and `who`.
        """
        columns = ["convention", "why", "customers", self.counted, self.base, "who"]
        columns = [name for name in columns if name]
        if len(self._told) < 2:
            return pd.DataFrame(columns=columns)
        rows = pd.concat([self._differing(place) for place in self._told])
        rows = rows.sort_values(["mrr", "name"], ascending=[False, True])
        made = rows.groupby(["place", "why"]).agg(
            customers=("customers", "sum"),
            counted=("numerator", "sum"),
            base=("denominator", "sum"),
            who=("name", lambda each: ", ".join(each.dropna().head(names))),
        )
        made = made.reset_index().sort_values(
            ["place", "customers", "why"], ascending=[True, False, True], ignore_index=True
        )
        made["convention"] = [self.conventions[place].name for place in made.place]
        return made.rename(columns={"counted": self.counted, "base": self.base})[columns]

    def headline(self) -> Words:
        """Tell in a sentence how far apart the conventions are, and by how many customers."""
        told = self.frame.dropna(subset="value")
        if len(told) < 2:
            said = self.missing_because or next(filter(None, self.frame.missing_because), "")
            return Words(f"{self.kpi.title} cannot be counted as others do: {said}.")
        low, high = told.loc[told.value.idxmin()], told.loc[told.value.idxmax()]
        what = f"{self.kpi.title} in {spoken(self.period)}"
        if low.value == high.value:
            return Words(
                f"{what} is {self._write(low.value)} by all "
                f"{len(told)} conventions that can be counted here."
            )
        differs = np.any([self._signs(place).any(axis=0) for place in self._told], axis=0)
        differing = int(self._added.customers[differs].sum())
        return Words(
            f"{what} lies between {self._write(low.value)} "
            f"({low.convention}) and {self._write(high.value)} ({high.convention}); "
            f"{plural(differing, 'customer')} make the difference."
        )

    def _write(self, value: float) -> str:
        return self.kpi.unit.write(value, self.currency)

    @property
    def _told(self) -> list[int]:
        """The places of the conventions that can be counted here."""
        return [at for at, each in enumerate(self.conventions) if not each.missing_because]

    @cached_property
    def _added(self) -> pd.DataFrame:
        """Fetch what customers add by each convention, those together that all count alike.

        Returns
        -------
        DataFrame
            `name` of the largest customers, who have a row each, and missing for the rest of
            those like them; how many `customers`, the highest `mrr`, and by place of the
            convention `numerator_0`, `denominator_0`, `why_0`, and the signs of what the parts
            are beyond the house's, `more_numerator_0`, `more_denominator_0`; and so on.
        """
        parts = {
            f"{part}_{place}": getattr(self.conventions[place], part)
            for place, part in product(self._told, [*PARTS, "why"])
        }
        signs = {
            f"more_{part}_{place}": (parts[f"{part}_{place}"] - parts[f"{part}_0"]).sign()
            for place, part in product(self._told, PARTS)
        }
        names, asked = _once(parts | signs)
        wide = self.customers.select("customer", "mrr", **asked)
        alike = [name for name in asked if name.startswith(("why", "more"))]
        largest = [ibis.desc("mrr", nulls_first=False), "customer"]
        wide = wide.mutate(rank=ibis.row_number().over(group_by=alike, order_by=largest))
        named = (wide.rank < NAMED).ifelse(wide.customer, ibis.null())
        sums = {name: wide[name].sum().cast("float64") for name in asked if name not in alike}
        grouped = wide.group_by(*alike, name=named)
        found = grouped.aggregate(customers=wide.count(), mrr=wide.mrr.max(), **sums).to_pandas()
        return pd.DataFrame(
            {"name": found.name, "customers": found.customers, "mrr": found.mrr}
            | {name: found[once] for name, once in names.items()}
        )

    def _differing(self, place: int) -> pd.DataFrame:
        """Give the rows of `_added` that a convention counts otherwise than the house, and why."""
        added = self._added
        rows = added[["name", "mrr", "customers"]].assign(
            place=place,
            why=added[f"why_{place}"],
            **{part: added[f"{part}_{place}"] - added[f"{part}_0"] for part in PARTS},
        )
        return rows[self._signs(place).any(axis=0)]

    def _counted(self, place: int) -> dict[str, float]:
        """Add up a convention's parts, and count whom it counts otherwise; missing if untold."""
        if place not in self._told:
            return dict.fromkeys([*PARTS, *SIGNS, "differs"], np.nan)
        added, signs = self._added, self._signs(place)
        sums = {part: float(added[f"{part}_{place}"].sum()) for part in PARTS}
        flags = np.vstack([signs, signs.any(axis=0)])
        differing = (flags @ added.customers.to_numpy()).astype(float)
        return sums | dict(zip([*SIGNS, "differs"], differing, strict=True))

    def _signs(self, place: int) -> np.ndarray:
        """Tell which rows of `_added` a convention counts otherwise than the house: (4, rows).

        In the order of `SIGNS`.
        """
        counted, base = (self._added[f"more_{part}_{place}"].to_numpy() for part in PARTS)
        return np.array([counted > 0, counted < 0, base > 0, base < 0])

    def _named(self, name: str) -> Convention:
        known = {each.name: each for each in self.conventions}
        if name not in known:
            raise UnknownNameError("a convention", name, known)
        return known[name]


def _once(values: Mapping[str, ir.Value]) -> tuple[dict[str, str], dict[str, ir.Value]]:
    """Give values that are the same one name: the name of each, and the values by name."""
    first: dict = {}
    names = {name: first.setdefault(value.op(), name) for name, value in values.items()}
    return names, {name: values[name] for name in first.values()}
