"""The tables of README.md, generated from what they speak of."""

import json
import re
from pathlib import Path
from typing import get_args

from revops_kit import kpis
from revops_kit.share import notebooks
from revops_kit.tables import Policies


def kpi_table() -> str:
    """List the KPIs."""
    lines = [f"| {each.title} | `{each.name}` | {_cell(each.formula)} |" for each in kpis.ALL]
    return "\n".join(["| figure | `revops kpi …` | how it is counted |", "|---|---|---|", *lines])


def _cell(text: str) -> str:
    """Write text that a Markdown table does not take for its own bars."""
    return text.replace("|", "\\|")


def notebook_table(root: Path) -> str:
    """List the notebooks, with the question each asks."""
    lines = ["| notebook | asks |", "|---|---|"]
    for name, path in notebooks(root).items():
        first = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])
        question = re.search(r"^\*(.+)\*$", first, re.MULTILINE)
        lines.append(f"| [{name}](notebooks/{name}.ipynb) | {question[1] if question else ''} |")
    return "\n".join(lines)


def policy_table() -> str:
    """List the policies, with their defaults."""
    lines = ["| policy | default | others |", "|---|---|---|"]
    for name, field in Policies.model_fields.items():
        others = [f"`{each}`" for each in get_args(field.annotation) if each != field.default]
        lines.append(f"| `{name}` | `{field.default}` | {', '.join(others) or 'any'} |")
    return "\n".join(lines)


def fresh(text: str, root: Path) -> str:
    """Put the tables as they should be between their marks."""
    tables = {"kpis": kpi_table(), "notebooks": notebook_table(root), "policies": policy_table()}
    for mark, table in tables.items():
        between = re.compile(f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
        text = between.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    readme = Path(__file__).parent.parent / "README.md"
    readme.write_text(fresh(readme.read_text("utf-8"), readme.parent), "utf-8")
