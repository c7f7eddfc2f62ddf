"""Imports run one way, and the doors to the world are few: DESIGN.md, Rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "revops_kit"
# A room may use those above it, and those beside it.
FLOORS = [
    {"errors"},
    {"periods", "units", "sparkline", "cron"},
    {"contracts", "stats", "wording"},
    {"sources"},
    {"tables"},
    {"snapshots", "history"},
    {"workspace", "samples"},
    {"silos"},
    {"deals", "recurring"},
    {"summaries"},
    {"result"},
    {"kpi"},
    {"kpis"},
    {"drivers", "noted", "spreads"},
    {"channels", "conventions", "lifetimes", "retention"},
    {"acquisition", "journeys", "holdout"},
    {"stages"},
    {"forecasts", "risks"},
    {"bridges"},
    {"outlook"},
    {"charts"},
    {"cards"},
    {"show"},
    {"__init__"},
    {"report", "checking", "share"},
    {"mail", "making"},
    {"issue"},
    {"mailing"},
    {"schedule"},
    {"readme"},
    {"cli", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# A result shows itself: what draws it is looked up when it is asked to, not when it is made.
LATE = {("result", "charts"), ("result", "show"), ("result", "kpi"), ("bridges", "charts")}
MODULES = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in PACKAGE.rglob("*.py")}
each_module = pytest.mark.parametrize("parts", MODULES, ids=".".join)


def tree(parts):
    return ast.parse(MODULES[parts].read_text("utf-8"))


def imported(parts):
    """Every module that a file imports, anywhere in it: its dotted name, and how deep."""
    root = tree(parts)
    at_top = {id(node) for node in root.body}
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.name, id(node) in at_top
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written out"
            if node.module == "revops_kit":
                for each in node.names:
                    yield f"revops_kit.{each.name}", id(node) in at_top
            else:
                yield node.module, id(node) in at_top


def called(parts):
    """Every dotted name that a file speaks of, such as `dt.date.today`."""
    for node in ast.walk(tree(parts)):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


@each_module
def test_imports_run_one_way(parts):
    mine = parts[0]
    assert mine in FLOOR, f"give {mine} its floor"
    for name, at_top in imported(parts):
        package, _, rest = name.partition(".")
        if package != "revops_kit":
            continue
        theirs = rest.split(".")[0]
        if theirs not in FLOOR:  # a name of the package itself, such as __version__
            theirs = "__init__"
        if theirs != mine and (mine, theirs) not in LATE:
            assert FLOOR[theirs] < FLOOR[mine], f"{'.'.join(parts)} imports {name}"
        assert not ((mine, theirs) in LATE and at_top), f"{name} is imported late"


@each_module
def test_statistics_know_nothing_of_tables_and_nothing_knows_notebooks(parts):
    names = {name.split(".")[0] for name, _ in imported(parts)}
    if parts[0] == "stats":
        assert not names & {"ibis", "duckdb", "pandera"}
    assert "notebooks" not in names


@each_module
def test_rows_of_a_kpi_are_chosen_without_pandas(parts):
    """`rows` and `left_out` stay lazy; only what folds the fetched aggregate has a frame."""
    if parts[0] not in ("kpis", "deals", "recurring", "tables"):
        return
    if "pandas" not in {name for name, _ in imported(parts)}:
        return
    assert parts[0] == "kpis"
    for node in ast.walk(tree(parts)):
        if isinstance(node, ast.FunctionDef) and "pd." in ast.unparse(node):
            takes = [ast.unparse(each.annotation) for each in node.args.args if each.annotation]
            assert any("pd." in each for each in takes), f"{node.name} makes frames of its own"
    assert not any(name.endswith((".to_pandas", ".execute")) for name in called(parts))


@each_module
def test_only_the_command_line_reads_the_clock(parts):
    clocks = ("date.today", "datetime.now", "datetime.utcnow", "datetime.today", "time.time",
              "Timestamp.now", "Timestamp.today", "ibis.now", "ibis.today")  # fmt: skip
    if parts[0] != "cli":
        assert not [name for name in called(parts) if name.endswith(clocks)]


@each_module
def test_only_sources_workspace_and_mail_read_the_environment(parts):
    if parts[0] in ("sources", "workspace", "mail"):
        return
    read = [
        ast.unparse(node)
        for node in ast.walk(tree(parts))
        if (isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("os.environ")
            and isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith(("os.getenv", "os.environ.get")))
    ]  # fmt: skip
    assert read == []


def test_what_takes_long_to_load_is_loaded_when_it_is_needed():
    """`revops kpi` needs neither a chart nor a model."""
    heavy = "scipy seaborn statsmodels matplotlib papermill nbconvert great_tables pandera"
    code = (
        "import sys, revops_kit, revops_kit.cli; "
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
