"""A company with three regions and one customer in each, and a report of its MRR."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import revops_kit as rk

TOML = """
[company]
name = "Northwind"
[tables.accounts]
file = "accounts.csv"
[tables.customers]
file = "customers.csv"
[tables.subscriptions]
file = "subscriptions.csv"
[mail]
url = "file:outbox"
from = "RevOps <revops@example.com>"
[reports.weekly]
notebooks = ["mrr"]
to = ["leaders@example.com", "Leaders <LEADERS@Example.com>"]
owner = "owner@example.com"
max_staleness_days = 3
[[reports.weekly.alerts]]
kpi = "mrr"
above = 1_000_000
[reports.parts]
notebooks = ["mrr"]
owner = "owner@example.com"
burst_by = "Region"
[reports.parts.burst_to]
EMEA = ["emea@example.com"]
"<script>" = ["script@example.com"]
"""
# Region, customer's name, MRR; the first day of each is that of the year.
ROWS = [("EMEA", "Alder Works", 1_111.11), ("<script>", "<script>Birch Works", 2_222.22)]
ROWS += [("APAC", 'Cedar "; DROP Works', 4_444.44)]
OPEN = "import revops_kit as rk\nws = rk.open({}, as_of)"
HEADLINE = "trend = rk.kpis.mrr.over(ws, rk.last(3, period))\ntrend.headline()"
PARAMETERS = (
    'workspace = "revops.toml"  # where\nperiod = "2026-09"  # when\nas_of = ""  # seen from'
)
ENDING = "ws.tables.customers.name.to_pandas().to_frame()"


def write_company(folder, toml=TOML, place="workspace", first=1_111.11, ending=ENDING):
    """Write its workspace, and open it.

    The first customer's MRR is told, what its notebook opens, and the notebook's last cell.
    """
    rows = [(region, name, mrr) for region, name, mrr in ROWS]
    rows[0] = (*rows[0][:2], first)
    tables = {"accounts": "account_id,region\n", "customers": "customer_id,name,account_id\n"}
    tables["subscriptions"] = "subscription_id,customer_id,started_on,ended_on,mrr\n"
    for key, (region, name, mrr) in enumerate(rows):
        tables["accounts"] += f"ACC-{key},{region}\n"
        quoted = name.replace('"', '""')
        tables["customers"] += f'CUS-{key},"{quoted}",ACC-{key}\n'
        tables["subscriptions"] += f"SUB-{key},CUS-{key},2026-01-01,,{mrr}\n"
    tables["subscriptions"] += "SUB-9,CUS-0,2026-09-29,2026-09-30,1\n"
    for name, text in tables.items():
        folder.joinpath(f"{name}.csv").write_text(text, "utf-8")
    folder.joinpath("revops.toml").write_text(toml, "utf-8")
    cells = [new_markdown_cell("# MRR"), cell(PARAMETERS, "parameters")]
    cells += [cell(OPEN.format(place)), cell(HEADLINE, "headline"), cell(ending)]
    folder.joinpath("notebooks").mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), folder / "notebooks" / "mrr.ipynb")
    return rk.open(folder / "revops.toml")


def cell(source, tag=""):
    return new_code_cell(source, metadata={"tags": [tag] if tag else []})
