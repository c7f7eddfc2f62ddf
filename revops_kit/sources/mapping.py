"""Which of a source's own columns become those of the contract."""

from collections.abc import Sequence

from revops_kit.contracts import TableContract
from revops_kit.errors import ContractError, UnknownNameError, did_you_mean
from revops_kit.sources.spec import ColumnSpec, TableSpec


def origins(
    table: TableContract, spec: TableSpec, available: Sequence[str], where: str
) -> dict[str, ColumnSpec]:
    """Say for each column of the result how it is made.

    What the workspace does not name is found under the contract's own name, in any case.

    Parameters
    ----------
    available
        The source's own columns.
    where
        What the source is called in messages.

    Raises
    ------
    ContractError
        When a column is not there, or none is named for one that the table cannot do without.
    UnknownNameError
        When a name is nearly one of the contract's.

    Examples
    --------
    >>> from revops_kit.contracts import contract
    >>> spec = TableSpec(file="leads.csv", columns={"lead_id": "key"})
    >>> found = origins(contract("leads"), spec, ["key", "Created_At", "plan"], "leads.csv")
    >>> {name: how.column for name, how in found.items()}
    {'lead_id': 'key', 'created_at': 'Created_At'}
    """
    origin: dict[str, ColumnSpec] = {}
    folded = {each.lower(): each for each in available}
    for name in [*table.columns, *(each for each in spec.columns if each not in table.columns)]:
        if spec.says_unavailable(name):
            continue
        how = spec.columns.get(name)
        if how is None and name in folded:
            how = ColumnSpec(column=folded[name])
        if how is None:
            continue
        if how.column and how.column not in available:
            raise ContractError(
                f"{where}: there is no column {how.column!r} for {table.name}.{name}."
                f"{did_you_mean(how.column, available)} Its columns: {', '.join(available)}."
            )
        free = [each for each in table.columns if each not in spec.columns]
        if name not in table.columns and name != "currency" and did_you_mean(name, free):
            raise UnknownNameError("a column", name, table.columns, f"in {table.name}")
        origin[name] = how
    for name in table.required:
        if name not in origin:
            raise ContractError(
                f"{where}: {table.name} needs {name}, and no column is mapped to it. Write "
                f'{name} = "…" under [tables.{table.name}.columns].'
                f"{did_you_mean(name, available)} Its columns: {', '.join(available)}."
            )
    return origin
