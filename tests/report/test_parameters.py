import json

import pytest

from revops_kit.errors import ReportError, RequestError, UnknownNameError
from revops_kit.report import check_parameters, parameters_of


@pytest.fixture
def win_rate(write):
    parameters = (
        "# what to look at\n"
        'period = "2026-09"  # 2026, 2026-Q3 or 2026-09\n'
        'by = "region"  # a column, such as "#1"\n'
        "months = 12  # how far back\n"
        "floor = -0.5\n"
        "partial = True\n"
    )
    return write("win_rate", "# Win rate", parameters=parameters)


def test_parameters_are_read_with_default_type_and_help(win_rate):
    read = parameters_of(win_rate)
    assert [(p.name, p.default, p.type, p.help) for p in read.values()] == [
        ("period", "2026-09", str, "2026, 2026-Q3 or 2026-09"),
        ("by", "region", str, 'a column, such as "#1"'),
        ("months", 12, int, "how far back"),
        ("floor", -0.5, float, ""),
        ("partial", True, bool, ""),
    ]


def test_unknown_name_is_refused_with_the_nearest_known_one(win_rate):
    with pytest.raises(UnknownNameError) as refused:
        check_parameters(win_rate, {"perido": "2026-09"})
    assert str(refused.value) == (
        "There is no parameter 'perido' in win_rate.ipynb. Did you mean 'period'? "
        "Known: by, floor, months, partial, period."
    )


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("by", 3, "takes text, such as 'region', and was given a whole number"),
        ("by", None, "was given something else"),
        ("months", "twelve", "takes a whole number, such as 12, and was given text"),
        ("months", 1.5, "was given a number"),
        ("months", True, "was given True or False"),
        ("partial", 1, "takes True or False"),
    ],
)
def test_value_of_another_type_is_refused(win_rate, name, value, kind):
    with pytest.raises(RequestError, match=r"^The parameter .* of win_rate\.ipynb") as refused:
        check_parameters(win_rate, {name: value})
    assert kind in str(refused.value)


def test_text_of_the_command_line_becomes_a_number_where_one_is_wanted(win_rate):
    given = {"months": "24", "floor": "1", "partial": "False", "by": "24"}
    assert check_parameters(win_rate, given) == {
        "months": 24,
        "floor": 1.0,
        "partial": False,
        "by": "24",
    }


@pytest.mark.parametrize(
    "line", ["by = None", "by: str = 'region'", "by = [n for n in 'ab']", "a = b = 1", "import os"]
)
def test_a_line_that_papermill_would_lose_is_refused(write, line):
    notebook = write("cac", parameters=f"period = 'all'\n{line}")
    with pytest.raises(ReportError, match=r"^Line 2 of cell 1 of cac\.ipynb .* literal"):
        parameters_of(notebook)


def test_parameters_cell_that_is_not_python_is_refused(write):
    notebook = write("cac", parameters="period = 'all'\nby = (")
    with pytest.raises(ReportError, match=r"^Line 2 of cell 1 of cac\.ipynb is not Python"):
        parameters_of(notebook)


def test_notebook_without_the_tag_is_refused(write):
    notebook = write("cac", ("", "period = 'all'"), parameters=None)
    with pytest.raises(ReportError, match="has no cell tagged 'parameters'"):
        parameters_of(notebook)


@pytest.mark.parametrize("text", ["", "{}", "[]", '"cells"', json.dumps({"cells": None})])
def test_file_that_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "cac.ipynb").write_text(text)
    with pytest.raises(ReportError, match=r"cac\.ipynb"):
        parameters_of(tmp_path / "cac.ipynb")


def test_notebook_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ReportError, match=r"There is no notebook cac\.ipynb"):
        parameters_of(tmp_path / "cac.ipynb")
