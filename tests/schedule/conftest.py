"""A small company whose reports take a moment to make."""

import json

import pytest

DEALS = """\
opportunity_id,opened_at,closed_at,outcome,amount
D1,2026-08-03,2026-09-01,won,1000
D2,2026-08-04,2026-10-02,lost,2000
D3,2026-10-05,,open,3000
"""
SETTINGS = """\
[company]
name = "Small"
timezone = "Europe/Berlin"
[tables.opportunities]
file = "deals.csv"
[mail]
url = "file:outbox"
from = "revops@example.com"
[history]
url = "{history}"
"""
REPORT = """\
[reports.{name}]
notebooks = ["win_rate"]
period = "{period}"
cron = "{cron}"
to = ["{name}@example.com"]
owner = "owner@example.com"
"""
# The name of a KPI, so that no other figures are counted; and it ends when it is let go.
CELL = """\
import time
from pathlib import Path

Path("begun").touch()
while Path("hold").exists():
    time.sleep(0.05)
period"""


def code(number, source, *tags):
    return {
        "cell_type": "code", "id": f"cell-{number}", "metadata": {"tags": tags}, "outputs": [],
        "execution_count": None, "source": source,
    }  # fmt: skip


NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Win rate"},
        code(1, 'period = "2026-09"  # the period', "parameters"),
        code(2, CELL),
    ],
}


@pytest.fixture
def company(tmp_path):
    """Write a workspace with reports: name=(cron, period); gives its file."""

    def write(history="", home=tmp_path, **reports):
        (home / "notebooks").mkdir(parents=True)
        (home / "deals.csv").write_text(DEALS)
        parts = [
            REPORT.format(name=name, cron=cron, period=period)
            for name, (cron, period) in reports.items()
        ]
        file = home / "revops.toml"
        file.write_text(SETTINGS.format(history=history) + "".join(parts))
        (home / "notebooks" / "win_rate.ipynb").write_text(json.dumps(NOTEBOOK))
        return file

    return write
