"""Small notebooks to make reports of."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """\
workspace = "revops.toml"  # where the tables come from
period = "2026-09"  # 2026, 2026-Q3, 2026-09, 2026-W36 or all
by = "region"  # a column to split by
"""


@pytest.fixture
def write(tmp_path):
    """Write a notebook: a text is a Markdown cell, a pair is a code cell with its tag."""

    def write(name, *cells, parameters=PARAMETERS):
        made = [] if parameters is None else [_code("parameters", parameters)]
        made += [new_markdown_cell(c) if isinstance(c, str) else _code(*c) for c in cells]
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=made), path)
        return path

    return write


def _code(tag, source):
    return new_code_cell(source, metadata={"tags": [tag] if tag else []})
