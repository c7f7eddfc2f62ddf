"""Keys between the silos: how many rows of one table find their row in another."""

from dataclasses import dataclass

from revops_kit.contracts import contract, names
from revops_kit.sources import Source
from revops_kit.tables import Tables


@dataclass(frozen=True)
class KeyAudit:
    """How well one column of keys leads to the table it names.

    Attributes
    ----------
    column, to
        As `table.column`.
    rows, blank, matched
        All rows; those without a key; those whose key is found.
    """

    column: str
    to: str
    rows: int
    blank: int
    matched: int

    @property
    def unmatched(self) -> int:
        """Rows with a key that leads nowhere."""
        return self.rows - self.blank - self.matched


def audit_keys(tables: Tables) -> list[KeyAudit]:
    """Follow every column of keys for which both tables are there.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> [(each.column, each.rows, each.blank, each.matched) for each in audit_keys(tiny())]
    [('opportunities.lead_id', 5, 1, 4)]
    """
    audits = []
    present = [name for name in names() if isinstance(tables.sources.get(name), Source)]
    for name in present:
        for column in contract(name).columns.values():
            if column.names not in present or not tables.has(name, column.name):
                continue
            key = contract(column.names).key[0]
            # The data are looked at as they are, not as of a day: a key is right or wrong.
            rows, others = tables.sources[name].table, tables.sources[column.names].table
            known = others.select(_key=others[key]).distinct()
            joined = rows.left_join(known, rows[column.name] == known._key)
            found = joined.aggregate(
                rows=joined.count(), keyed=joined[column.name].count(), matched=joined._key.count()
            )
            counted = found.to_pyarrow().to_pylist()[0]
            audits.append(
                KeyAudit(
                    f"{name}.{column.name}",
                    f"{column.names}.{key}",
                    counted["rows"],
                    counted["rows"] - counted["keyed"],
                    counted["matched"],
                )
            )
    return audits
