"""What exports of other companies, tools and countries need in order to be read right."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DEALS = '[tables.opportunities]\nfile = "deals.csv"\n'
HEADER = "opportunity_id,outcome,closed_at,amount\n"
MARCH = ("--period", "2026-03")
ALL = ("--period", "all")


@pytest.fixture
def problems(revops):
    """Check a workspace: the kind, column and message of what was found in one table."""

    def found(folder, table="opportunities"):
        report = revops(folder, "check", "--format", "json").json
        return [
            (each["kind"], each["column"], each["message"])
            for each in report["tables"][table]["problems"]
        ]

    return found


# --- databases and queries ---------------------------------------------------------------------

WAREHOUSE = """
[company]
timezone = "America/Chicago"
[engine]
url = "duckdb://warehouse.duckdb"
[tables.opportunities]
table = "crm.DEALS"
[tables.leads]
file = "leads.csv"
"""


@pytest.fixture
def warehouse(workspace):
    """Make a DuckDB file whose view shouts, with decimals and moments in a zone."""
    folder = workspace(WAREHOUSE, {"leads.csv": "lead_id,created_at\nL1,2026-03-01\n"})
    with duckdb.connect(str(folder / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'Asia/Tokyo'; CREATE SCHEMA crm")
        con.execute(
            "CREATE TABLE crm.RAW AS SELECT * FROM (VALUES"
            " (1, 'Won', '2026-04-01 04:59:59+00'::TIMESTAMPTZ, 100.25::DECIMAL(9, 2), 'L1', [1]),"
            " (2, 'won', '2026-04-01 05:00:00+00', 7, NULL, NULL),"
            " (3, 'LOST', '2026-03-02 12:00:00+00', 50, NULL, [2, 3]))"
            " AS t(OPPORTUNITY_ID, OUTCOME, CLOSED_AT, AMOUNT, LEAD_ID, TAGS)"
        )
        con.execute("CREATE VIEW crm.DEALS AS SELECT * FROM crm.RAW")
    return folder


def test_duckdb_file_is_read_in_the_companys_zone(warehouse, figures):
    """05:00 in UTC is midnight in Chicago: one won deal is March's, the other April's."""
    assert figures(warehouse, "bookings", *MARCH) == {"2026-03": 100.25}
    assert figures(warehouse, "win_rate", *MARCH) == {"2026-03": 1 / 2}


def test_duckdb_file_and_a_csv_beside_it_make_one_figure(warehouse, figures):
    assert figures(warehouse, "conversion_rate", *MARCH) == {"2026-03": 1.0}


def test_misspelt_table_of_a_database_names_the_right_one(warehouse, revops):
    toml = warehouse / "revops.toml"
    toml.write_text(toml.read_text().replace("crm.DEALS", "crm.DEAL"))
    said = revops(warehouse, "kpi", "bookings")
    assert (said.code, said.out) == (1, "")
    assert "crm.DEAL cannot be read: duckdb has no such table. Did you mean 'DEALS'?" in said.err


def test_query_may_hold_whatever_a_database_can(workspace, figures):
    """Lists, structs and bytes are carried along as text; days are the company's."""
    query = """
        SELECT id AS subscription_id, customer AS customer_id, to_timestamp(start) AS started_on,
            cents / 100 AS mrr, [1, 2] AS list, {'a': 1} AS struct, 'x'::BLOB AS bytes,
            MAP {'k': 1} AS map, TIME '10:00' AS clock, uuid() AS uuid, 2::HUGEINT AS huge
        FROM 'subs.csv'
    """
    toml = f"[tables.subscriptions]\nquery = '''{query}'''"
    folder = workspace(
        "[company]\ntimezone = 'America/Los_Angeles'\n" + toml,
        # 1767254399 is 2026-01-01 07:59:59 in UTC, the last second of 2025 in Los Angeles.
        {"subs.csv": "id,customer,start,cents\ns1,c1,1767254399,4999\ns2,c2,1767254400,10000\n"},
    )
    days = ("--as-of", "2026-01-31", "--period", "2026-01", "--last", "2")
    assert figures(folder, "mrr", *days) == {"2025-12": 49.99, "2026-01": 149.99}
    for column in ("list", "struct", "bytes", "map", "clock", "huge"):
        assert list(figures(folder, "mrr", *days[:-2], "--by", column).values()) == [149.99]


def test_query_with_two_columns_of_one_name_is_refused(workspace, revops):
    toml = "[tables.payments]\nquery = \"SELECT 'a' AS customer_id, 1 AS amount, 2 AS amount\"\n"
    said = revops(workspace(toml), "kpi", "payments")
    assert (said.code, said.err) == (
        1,
        "revops: amount: two columns of one name; name them apart.\n",
    )


def test_parquet_of_older_programs_holds_its_texts_as_bytes(workspace, figures):
    folder = workspace('[tables.payments]\nfile = "p.parquet"\n')
    table = pa.table({
        "customer_id": [b"Z\xc3\xbcrich", b"\xff"],
        "paid_on": pa.array([1, 2], pa.date32()),
        "amount": [1.0, 2.0],
    })  # fmt: skip
    pq.write_table(table, folder / "p.parquet")
    assert figures(folder, "payments", *ALL, "--by", "customer_id") == {"Zürich": 1, "ff": 2}


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("months", [("01.02.2026", "01.03.2026"), ("2/1/2026", "3/1/2026")])
def test_months_begin_on_their_first_which_settles_their_order(months, workspace, problems):
    rows = "".join(f"{month},1000\n" for month in months)
    toml = '[tables.targets]\nfile = "targets.csv"\n'
    folder = workspace(toml, {"targets.csv": f"month,amount\n{rows}"})
    order = "day" if "." in months[0] else "month"
    said = (
        f"targets.csv: column 'month' read with the {order} first, for months begin on their first"
    )
    assert problems(folder, "targets") == [("note", "month", said)]


def test_what_was_decided_for_a_column_is_told(workspace, problems):
    rows = "1,won,31.01.26,1\n2,won,01.02.26,2\n"
    folder = workspace(DEALS, {"deals.csv": HEADER + rows})
    assert [said for _, _, said in problems(folder)] == [
        "deals.csv: column 'closed_at' 2 two-digit years read as 1969 to 2068",
        "deals.csv: column 'closed_at' read with the day first, which 1 date settled",
    ]


def test_days_written_as_midnights_in_utc_are_told_of_west_of_it(workspace, problems):
    rows = "1,won,2026-03-01T00:00:00Z,1\n2,won,2026-04-01T00:00:00Z,2\n"
    west = '[company]\ntimezone = "America/New_York"\n' + DEALS
    said = problems(workspace(west, {"deals.csv": HEADER + rows}))
    assert "midnights in UTC, which is the day before in America/New_York" in said[0][2]
    assert problems(workspace(west.replace("America/New_York", "Asia/Tokyo"))) == []


def test_what_is_yet_to_come_is_told_and_breaks_nothing(workspace, revops):
    folder = workspace(DEALS, {"deals.csv": HEADER + "1,won,2026-03-01,1\n2,won,2962-03-01,2\n"})
    said = revops(folder, "check")
    assert said.code == 0
    assert "! opportunities: something happened on 2962-03-01, which is yet to come" in said.out


# --- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("yen", ["\\", "￥"])
def test_yen_of_japanese_windows(yen, workspace, figures):
    """In code page 932 the backslash is a yen, and the wide one is Japanese too."""
    toml = '[company]\ncurrency = "JPY"\n' + DEALS.replace("csv", 'csv"\ndecimal = ".', 1)
    toml += '[tables.opportunities.columns]\namount = "金額"\n'
    rows = f'1,won,2026年3月31日,"{yen}1,234,567"\n2,won,2026年3月1日,-{yen}500\n'
    text = HEADER.replace("amount", "金額") + rows
    folder = workspace(toml, {"deals.csv": text.encode("cp932")})
    assert figures(folder, "bookings", *MARCH) == {"2026-03": 1_234_067}


def test_sign_that_several_currencies_share_says_the_cure_that_works(workspace, problems, figures):
    toml = '[company]\ncurrency = "EUR"\n[rates]\nUSD = 0.5\n' + DEALS
    files = {"deals.csv": HEADER + "1,won,2026-03-01,$100\n"}
    kind, column, said = problems(workspace(toml, files))[0]
    assert (kind, column) == ("currency", "amount")
    assert 'say which in a column `currency`, such as currency = { value = "EUR" }' in said
    toml += '[tables.opportunities.columns]\ncurrency = { value = "USD" }\n'
    assert figures(workspace(toml, files), "bookings", *MARCH) == {"2026-03": 50}


def test_currency_column_may_hold_signs_and_small_letters(workspace, figures):
    toml = '[company]\ncurrency = "EUR"\n[rates]\nUSD = 0.5\n' + DEALS
    rows = "1,won,2026-03-01,100,usd\n2,won,2026-03-02,10,€\n3,won,2026-03-03,1,US$\n"
    header = HEADER.replace("\n", ",currency\n")
    folder = workspace(toml, {"deals.csv": header + rows})
    assert figures(folder, "bookings", *MARCH) == {"2026-03": 60.5}


def test_column_of_other_currencies_that_nobody_named_breaks_the_check(workspace, problems, revops):
    """Sums over it may be wrong by a factor; amounts of the company's own are no matter."""
    toml = '[company]\ncurrency = "EUR"\n' + DEALS
    header = HEADER.replace("\n", ",Currency Code\n")
    rows = "1,won,2026-03-01,100,USD\n2,won,2026-03-02,10,EUR\n"
    folder = workspace(toml, {"deals.csv": header + rows})
    kind, _, said = problems(folder)[0]
    assert kind == "currency"
    assert said.startswith("deals.csv line 2: column 'currency code' names other currencies")
    assert revops(folder, "check").code == 1
    assert problems(workspace(toml, {"deals.csv": header + rows.replace("USD", "EUR")})) == []


# --- words ----------------------------------------------------------------------------------------


def test_outcome_is_the_same_word_in_any_case(workspace, figures):
    rows = "1,Won,2026-03-01,1\n2,LOST,2026-03-02,1\n3,lost,2026-03-03,1\n"
    folder = workspace(DEALS, {"deals.csv": HEADER + rows})
    assert figures(folder, "win_rate", *MARCH) == {"2026-03": 1 / 3}


def test_names_from_the_data_neither_colour_nor_turn_the_terminal(workspace, revops):
    header = HEADER.replace("\n", ",region\n")
    rows = (
        "1,won,2026-03-01,1,\x1b[31mred\n2,won,2026-03-01,1,\u202etfel\n3,won,2026-03-01,1,[b]x\n"
    )
    folder = workspace(DEALS, {"deals.csv": header + rows})
    said = revops(folder, "kpi", "bookings", *MARCH, "--by", "region").out
    assert "[31mred" in said
    assert "tfel" in said
    assert "[b]x" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_spreadsheet_error_in_a_column_carried_along_is_told(workspace, problems, figures):
    header = HEADER.replace("\n", ",region\n")
    folder = workspace(DEALS, {"deals.csv": header + "1,won,2026-03-01,5,#REF!\n"})
    said = "deals.csv line 2: column 'region' is a spreadsheet error, taken for blank"
    assert problems(folder) == [("unmatched", "region", said)]
    assert figures(folder, "bookings", *MARCH, "--by", "region") == {"(blank)": 5}
