"""Definition spread: one figure as others count it, and the customers that make the difference.

Published conventions share a name and not a count. A spread sets them side by side over one table
of customers, asked once, and reaches those whom a convention counts otherwise than the house does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit.errors import UnknownNameError
from revops_kit.kpi import Kpi
from revops_kit.periods import spoken
from revops_kit.units import Unit, plural
from revops_kit.wording import Words


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
        columns = [
            "convention", "rule", "value", "numerator", "denominator", "counted_more",
            "counted_less", "base_more", "base_less", "differs", "missing_because",
        ]  # fmt: skip
        if self.missing_because:
            return pd.DataFrame(columns=columns)
        sums = self._sums
        rows = []
        for place, each in enumerate(self.conventions):
            row = {name: sums[f"{name}_{place}"] for name in self._parts(each)}
            value, why = row["numerator"], each.missing_because
            if not self.kpi.summary.is_sum:
                value = value / row["denominator"] if row["denominator"] else np.nan
                why = why or ("" if row["denominator"] else self.kpi.empty)
            if each.missing_because:
                row = dict.fromkeys(row, np.nan)
            row |= {"convention": each.name, "rule": each.rule, "missing_because": why}
            rows.append(row | {"value": np.nan if why else value})
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
            How many customers to name of each kind, those with the highest MRR first.

        Returns
        -------
        DataFrame
            A row per convention and reason: `convention`, `why`, how many `customers`, what they
            add to the two parts, and `who`.
        """
        columns = ["convention", "why", "customers", self.counted, self.base, "who"]
        columns = [name for name in columns if name]
        there = {
            place: each for place, each in enumerate(self.conventions) if not each.missing_because
        }
        if len(there) < 2:
            return pd.DataFrame(columns=columns)
        found = self._ranked(there).filter(ibis._.rank < names).order_by("rank").to_pandas()
        keys = ["place", "why"]
        made = found.groupby(keys, sort=False)[["customers", "counted", "base"]].first()
        made["who"] = found.groupby(keys, sort=False).customer.agg(", ".join)
        made = made.reset_index().sort_values(
            ["place", "customers", "why"], ascending=[True, False, True], ignore_index=True
        )
        made["convention"] = [there[place].name for place in made.place]
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
        return Words(
            f"{what} lies between {self._write(low.value)} "
            f"({low.convention}) and {self._write(high.value)} ({high.convention}); "
            f"{plural(int(self._sums.differing), 'customer')} make the difference."
        )

    def _write(self, value: float) -> str:
        return self.kpi.unit.write(value, self.currency)

    @cached_property
    def _sums(self) -> pd.Series:
        """Add up what customers add to each row of the frame, and count whom any differs on."""
        parts = {
            f"{name}_{place}": value
            for place, each in enumerate(self.conventions)
            for name, value in self._parts(each).items()
        }
        wide = self.customers.select(**parts)
        differs = [
            wide[f"differs_{place}"] > 0
            for place, each in enumerate(self.conventions)
            if not each.missing_because
        ]
        sums = {name: wide[name].sum().cast("float64") for name in parts}
        sums["differing"] = ibis.or_(*differs).cast("float64").sum()
        return wide.aggregate(**sums).to_pandas().iloc[0].fillna(0.0)

    def _ranked(self, there: Mapping[int, Convention]) -> ir.Table:
        """Give a row per convention and customer that it counts otherwise, the largest first.

        Returns
        -------
        Table
            `place` of the convention, `why`, `customer`, `rank` among those of the same why, and
            of these all how many there are and what they add up to.
        """
        house = self.conventions[0]
        parts = {}
        for place, each in there.items():
            parts[f"counted_{place}"] = (each.numerator - house.numerator).cast("float64")
            parts[f"base_{place}"] = (each.denominator - house.denominator).cast("float64")
            parts[f"why_{place}"] = each.why
        wide = self.customers.select("customer", "mrr", **parts)
        rows = wide.cross_join(ibis.memtable({"place": list(there)}))
        rows = rows.select(
            "place",
            "customer",
            "mrr",
            **{
                name: ibis.cases(*((rows.place == at, rows[f"{name}_{at}"]) for at in there))
                for name in ("counted", "base", "why")
            },
        )
        rows = rows.filter((rows.counted != 0) | (rows.base != 0))
        alike = ibis.window(group_by=["place", "why"])
        return rows.mutate(
            customers=rows.count().over(alike),
            counted=rows.counted.sum().over(alike),
            base=rows.base.sum().over(alike),
            rank=ibis.row_number().over(
                group_by=["place", "why"],
                order_by=[ibis.desc("mrr", nulls_first=False), "customer"],
            ),
        )

    def _parts(self, each: Convention) -> dict[str, ir.NumericValue]:
        """Say what each customer adds to a row of the frame."""
        house = self.conventions[0]
        more = {
            "counted_more": each.numerator > house.numerator,
            "counted_less": each.numerator < house.numerator,
            "base_more": each.denominator > house.denominator,
            "base_less": each.denominator < house.denominator,
        }
        differs = (each.numerator != house.numerator) | (each.denominator != house.denominator)
        flags = {name: flag.cast("int64") for name, flag in (more | {"differs": differs}).items()}
        return {"numerator": each.numerator, "denominator": each.denominator} | flags

    def _named(self, name: str) -> Convention:
        known = {each.name: each for each in self.conventions}
        if name not in known:
            raise UnknownNameError("a convention", name, known)
        return known[name]
