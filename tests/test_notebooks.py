"""Notebooks keep their shape, and run on a rich company and on poor ones."""

import ast
import json
import re
from pathlib import Path

import pytest

from revops_kit import kpis, report
from revops_kit.charts import Chart
from revops_kit.share import notebooks

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = notebooks(ROOT)
each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
POOR = {
    "nothing": {},
    "deals": {
        "opportunities": "opportunity_id,outcome,opened_at,closed_at,amount\n"
        "1,won,2026-08-01,2026-09-10,100\n2,lost,2026-08-02,2026-09-11,50\n"
        "3,open,2026-09-05,,70\n",
    },
    "leads": {"leads": "lead_id,created_at,converted_at\n1,2026-09-01,2026-09-20\n2,2026-09-02,\n"},
    "subscriptions": {
        "subscriptions": "subscription_id,customer_id,started_on,ended_on,mrr\n"
        "1,A,2026-07-01,,100\n2,B,2026-08-01,2026-09-15,50\n",
    },
    "payments": {"payments": "customer_id,paid_on,amount\nA,2026-08-01,10\nA,2026-09-01,12\n"},
    "no rows": {"opportunities": "opportunity_id,outcome,opened_at,closed_at,amount\n"},
}


def cells(name, kind="code"):
    content = json.loads(NOTEBOOKS[name].read_text("utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def tagged(name, tag):
    return [cell for cell in cells(name) if tag in cell["metadata"].get("tags", [])]


def run(name, **parameters):
    """Run a notebook's cells here, and show what each ends with as Jupyter would."""
    space = {}
    for cell in cells(name):
        code = source(cell)
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), space)
        if "parameters" in cell["metadata"].get("tags", []):
            assert set(parameters) <= set(space)
            space |= parameters
        if last is not None:
            show(eval(compile(ast.Expression(last.value), name, "eval"), space))


def show(thing):
    if isinstance(thing, Chart) and thing.figure.words.absent:
        return thing.alt  # a sentence in place of a picture, drawn in `test_charts.py`
    if hasattr(thing, "_repr_mimebundle_"):
        data, metadata = thing._repr_mimebundle_()
        assert data["image/png"]
        return metadata["image/png"]["alt"]
    for how in ("_repr_html_", "_repr_markdown_"):
        if hasattr(thing, how):
            return getattr(thing, how)()
    return repr(thing)


def test_every_kpi_of_the_seed_list_has_a_notebook():
    seeds = "conversion_rate cac sales_cycle churn clv forecast_accuracy pipeline_velocity revenue"
    assert {"overview", *seeds.split()} <= set(NOTEBOOKS)


@each_notebook
def test_notebook_opens_with_title_and_question(name):
    first = source(cells(name, "markdown")[0])
    assert re.fullmatch(r"# [^\n]+\n\n\*[^\n]+\?\*", first)
    if name in {kpi.name for kpi in kpis.ALL}:
        assert kpis.named(name).title in first
        assert kpis.named(name).question in first


@each_notebook
def test_parameters_are_one_literal_a_line_with_help(name):
    parameters = report.parameters_of(NOTEBOOKS[name])
    assert {"workspace", "period", "as_of", "by"} <= set(parameters)
    assert all(each.help for each in parameters.values())


@each_notebook
def test_one_cell_is_the_headline(name):
    assert len(tagged(name, "headline")) == 1


@each_notebook
def test_notebook_is_saved_without_outputs(name):
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells(name))


@each_notebook
def test_cells_define_nothing_and_are_short(name):
    for cell in cells(name):
        nodes = ast.walk(ast.parse(source(cell)))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes)
        assert len(source(cell).splitlines()) <= 16


@each_notebook
def test_prose_states_no_figures(name):
    assert not any(re.search(r"\d", source(cell)) for cell in cells(name, "markdown"))


@pytest.mark.parametrize("kind", POOR)
@each_notebook
def test_notebook_runs_where_much_is_missing(name, kind, tmp_path, monkeypatch):
    toml = '[company]\nname = "Poor"\n'
    for table, content in POOR[kind].items():
        (tmp_path / f"{table}.csv").write_text(content, "utf-8")
        toml += f'[tables.{table}]\nfile = "{table}.csv"\n'
    (tmp_path / "revops.toml").write_text(toml, "utf-8")
    monkeypatch.chdir(tmp_path)
    run(name, by="")


@each_notebook
def test_notebook_runs_without_a_split(name, monkeypatch):
    """Split, all run in `report/`: `test_browser.py` for a month, `test_safe.py` for a quarter."""
    monkeypatch.chdir(ROOT / "notebooks")
    run(name, period="2026-Q2", as_of="2026-05-20", by="")
