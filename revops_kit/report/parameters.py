"""The parameters of a notebook: what they are, and whether what was asked for fits them.

Papermill only logs an unknown parameter and a missing `parameters` tag, and loses a parameter
whose default is None. So the cell is read here, and everything that does not fit is refused
before a kernel starts.
"""

import ast
import io
import json
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from revops_kit.errors import ReportError, RequestError, UnknownNameError

KINDS = {
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a dictionary",
}


@dataclass(frozen=True)
class Parameter:
    """One line of the cell tagged `parameters`: a name, a literal, and a comment for help."""

    name: str
    default: object
    help: str

    @property
    def type(self) -> type:
        """Tell the type a value must have: that of the default."""
        return type(self.default)


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """Read the parameters of a notebook from its cell tagged `parameters`.

    Raises
    ------
    ReportError
        The notebook cannot be read, has no such cell, or has one that is not made of literals.
    """
    for number, cell in enumerate(cells_of(notebook), start=1):
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            where = f"cell {number} of {notebook.name}"
            return {parameter.name: parameter for parameter in _read(source_of(cell), where)}
    raise ReportError(
        f"{notebook.name} has no cell tagged 'parameters'; "
        "give it one in JupyterLab, under Property Inspector > Cell Tags."
    )


def check_parameters(notebook: Path, given: Mapping[str, object]) -> dict[str, object]:
    """Hold the values given against the parameters of a notebook.

    Text given for a number is read as one, because a command line knows only text.

    Returns
    -------
    dict
        The values to run with, by name; parameters not given are left to the notebook.

    Raises
    ------
    UnknownNameError
        The notebook has no such parameter.
    RequestError
        A value is of another type than the parameter's default.
    """
    known = parameters_of(notebook)
    for name in given:
        if name not in known:
            raise UnknownNameError("a parameter", name, known, where=f"in {notebook.name}")
    return {name: _fit(known[name], value, notebook.name) for name, value in given.items()}


def cells_of(notebook: Path) -> list[dict]:
    """Read the cells of a notebook, without the cost of importing nbformat."""
    try:
        return list(json.loads(notebook.read_text(encoding="utf-8"))["cells"])
    except FileNotFoundError:
        raise ReportError(f"There is no notebook {notebook.name}.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ReportError(
            f"{notebook.name} cannot be read as a notebook (nbformat 4); "
            "open it in JupyterLab and save it again."
        ) from None


def source_of(cell: Mapping) -> str:
    """Join the source of a cell, which the file format allows to be a list of lines."""
    return "".join(cell["source"])


def _read(source: str, where: str) -> Iterator[Parameter]:
    try:
        lines = ast.parse(source).body
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ReportError(f"Line {line} of {where} is not Python.") from None
    comments = {t.start[0]: t.string.strip("# ") for t in tokens if t.type == tokenize.COMMENT}
    for line in lines:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                default = _literal(value)
            case _:
                name = default = None
        if type(default) not in KINDS:
            raise ReportError(
                f"Line {line.lineno} of {where} (tagged 'parameters') must be a name and a literal "
                'other than None, such as `by = "region"  # a column to split by`.'
            )
        yield Parameter(name, default, comments.get(line.end_lineno, ""))


def _literal(value: ast.expr) -> object:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def _fit(parameter: Parameter, value: object, notebook: str) -> object:
    wanted = parameter.type
    read = _literal_text(value) if isinstance(value, str) and wanted is not str else value
    if wanted is float and type(read) is int:
        read = float(read)
    if type(read) is not wanted:
        kind = KINDS.get(type(value), "something else")
        raise RequestError(
            f"The parameter {parameter.name!r} of {notebook} takes {KINDS[wanted]}, such as "
            f"{parameter.default!r}, and was given {kind}."
        )
    return read


def _literal_text(text: str) -> object:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text
