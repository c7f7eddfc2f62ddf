"""Maven's made-up CRM: 8,800 opportunities of 2017 (figures: ../shared/data/FACTS.md)."""

import pytest

COLUMNS = """
[tables.opportunities.columns]
opportunity_id = "opportunity_id"
opened_at = "engage_date"
closed_at = "close_date"
outcome = { column = "deal_stage", map = { Won = "won", Lost = "lost" }, default = "open" }
amount = "close_value"
account_id = "account"
owner = "sales_agent"
"""
LOOKUPS = """
[tables.opportunities.lookups.product]
file = "DATA/products.csv"
key = "product"
[tables.opportunities.lookups.owner]
file = "DATA/sales_teams.csv"
key = "sales_agent"
"""
QUARTERS = {
    "2017-Q1": (1_134_672, 531),
    "2017-Q2": (3_086_111, 1_254),
    "2017-Q3": (2_982_255, 1_257),
    "2017-Q4": (2_802_496, 1_196),
}
MONTHS = [
    1134672, 721932, 1025713, 1338466, 696932, 1050059, 1235264, 731980, 938943, 1131573,
]  # fmt: skip
OFFICES = {  # win rate in percent, won value, decided deals
    "Central": (62.558, 3_346_293, 2_604),
    "East": (63.025, 3_090_594, 1_858),
    "West": (63.940, 3_568_647, 2_249),
}
OPEN = {"Central": 908, "East": 433, "West": 748}  # counted with pandas
MANAGERS = {
    "Melvin Marxen": 2_251_930, "Summer Sewald": 1_964_750, "Rocco Neubert": 1_960_545,
    "Celia Rouche": 1_603_897, "Cara Losch": 1_130_049, "Dustin Brinkmann": 1_094_363,
}  # fmt: skip
ALL = ("--period", "all")


@pytest.fixture(scope="module")
def maven(exports):
    return exports(
        "maven_crm",
        '[company]\nname = "Maven"\n[tables.opportunities]\nfile = "DATA/sales_pipeline.csv"\n'
        + COLUMNS + LOOKUPS
        + '[tables.accounts]\nfile = "DATA/accounts.csv"\n'
        + '[tables.accounts.columns]\naccount_id = "account"\n',
    )  # fmt: skip


@pytest.fixture(scope="module")
def joined(exports, place):
    """The same deals, joined with their teams by a query over files beside the workspace."""
    query = (
        "SELECT * FROM 'crm/sales_pipeline.csv' LEFT JOIN 'crm/sales_teams.csv' USING (sales_agent)"
    )
    folder = exports("maven_crm", f'[tables.opportunities]\nquery = "{query}"\n{COLUMNS}')
    folder.joinpath("crm").symlink_to(place("maven_crm"))
    return folder


def test_win_rate(maven, revops):
    [row] = revops(maven, "kpi", "win_rate", *ALL, "--format", "json").json["rows"]
    assert (row["numerator"], row["denominator"]) == (4_238, 6_711)
    assert round(100 * row["value"], 4) == 63.1501


def test_bookings_in_all_by_quarter_and_by_month(maven, figures):
    assert figures(maven, "bookings", *ALL) == {"all": 10_005_534}
    quarters = ("--period", "2017-Q4", "--last", "4")
    worth = figures(maven, "bookings", *quarters)
    count = figures(maven, "bookings", *quarters, of="n")
    assert {name: (worth[name], count[name]) for name in worth} == QUARTERS
    by_month = figures(maven, "bookings", "--period", "2017-12", "--last", "10")
    assert list(by_month.values()) == MONTHS


def test_revenue_without_subscriptions_and_payments_is_bookings_and_says_so(maven, revops):
    said = revops(maven, "kpi", "revenue", *ALL, "--format", "json").json
    assert said["rows"][0]["value"] == 10_005_534
    assert any("ookings" in note for note in said["notes"])


def test_won_cycle_has_its_median_and_its_mean(maven, figures):
    assert figures(maven, "sales_cycle", *ALL) == {"all": 57}
    mean = figures(maven, "pipeline_velocity", *ALL, of="denominator")["all"]
    assert round(mean, 4) == 51.7820


def test_velocity_over_all_multiplies_its_four_factors(maven, revops):
    said = revops(maven, "kpi", "pipeline_velocity", *ALL, "--format", "json").json
    [row] = said["rows"]
    assert row["value"] == pytest.approx(60_146.85, abs=0.005)
    factors = 2_089 * (4_238 / 6_711) * (10_005_534 / 4_238) / 51.78197263
    assert row["value"] == pytest.approx(factors)
    assert any(note.startswith("500 open deals without an opening date") for note in said["notes"])


def test_velocity_of_deals_that_somebody_has_engaged_in(exports, figures):
    engaged = exports(
        "maven_crm",
        '[tables.opportunities]\nfile = "DATA/sales_pipeline.csv"\n'
        "where = \"deal_stage <> 'Prospecting'\"\n" + COLUMNS,
    )
    value = figures(engaged, "pipeline_velocity", *ALL)["all"]
    assert value == pytest.approx(45_750.76, abs=0.005)


@pytest.mark.parametrize("made", ["maven", "joined"])
def test_offices_by_lookup_and_by_query(made, figures, request):
    folder, by = request.getfixturevalue(made), (*ALL, "--by", "regional_office")
    rates, decided = figures(folder, "win_rate", *by), figures(folder, "win_rate", *by, of="n")
    worth = figures(folder, "bookings", *by)
    found = {each: (round(100 * rates[each], 3), worth[each], decided[each]) for each in rates}
    assert found == OFFICES


@pytest.mark.parametrize("made", ["maven", "joined"])
def test_velocity_by_office_by_lookup_and_by_query(made, revops, request):
    folder = request.getfixturevalue(made)
    words = ("kpi", "pipeline_velocity", *ALL, "--by", "regional_office", "--format", "json")
    rows = {row["regional_office"]: row for row in revops(folder, *words).json["rows"]}
    assert {name: row["n"] for name, row in rows.items()} == {
        name: decided for name, (_, _, decided) in OFFICES.items()
    }
    # Open deals × won value ÷ decided deals, over the mean cycle: what each office's must be.
    expected = {name: row["value"] * row["denominator"] for name, row in rows.items()}
    for name, (_, worth, decided) in OFFICES.items():
        assert expected[name] == pytest.approx(OPEN[name] * worth / decided)
    assert sum(OPEN.values()) == 2_089


def test_managers(maven, figures):
    assert figures(maven, "bookings", *ALL, "--by", "manager") == MANAGERS


def test_product_that_does_not_join_is_reported_and_keeps_its_revenue(maven, revops, figures):
    said = revops(maven, "check")
    assert said.code == 0
    assert "sales_pipeline.csv line 3 and 1,479 more rows: column 'product' 'GTXPro'" in said.out
    assert "is not in products.csv. Did you mean 'GTX Pro'?" in said.out
    problem = revops(maven, "check", "--format", "json").json["tables"]["opportunities"]
    [problem] = [each for each in problem["problems"] if each["kind"] == "unmatched"]
    assert (problem["column"], problem["count"], problem["lines"][0]) == ("product", 1_480, 3)
    by_product = figures(maven, "bookings", *ALL, "--by", "product")
    assert max(by_product, key=by_product.get) == "GTXPro"
    assert by_product["GTXPro"] == 3_510_578
    assert sum(by_product.values()) == 10_005_534
    # Of the series, which only the price list knows, its deals have none – and are still there.
    by_series = figures(maven, "bookings", *ALL, "--by", "series")
    assert by_series["(blank)"] == 3_510_578
    assert sum(by_series.values()) == 10_005_534


def test_accounts_match_where_there_is_one(maven, revops):
    [audit] = revops(maven, "check", "--format", "json").json["silos"]["keys"]
    assert (audit["matched"], audit["blank"], audit["unmatched"]) == (7_375, 1_425, 0)


def test_forecasting_a_quarter_by_the_one_before(exports, figures):
    """FACTS.md, "forecast check": 2017-10 to 12 forecast by the values of 2017-07 to 09."""
    folder = exports(
        "maven_crm",
        '[tables.opportunities]\nfile = "DATA/sales_pipeline.csv"\n' + COLUMNS
        + '[tables.forecasts]\nfile = "forecasts.csv"\n',
    )  # fmt: skip
    lines = [f"2017-{7 + at + 3:02d}-01,{MONTHS[4 + at]}" for at in range(3)]
    rows = "\n".join(f"2017-10-01,{line}" for line in lines)
    folder.joinpath("forecasts.csv").write_text(f"made_on,month,amount\n{rows}\n")
    quarter = ("--period", "2017-Q4")
    accuracy = figures(folder, "forecast_accuracy", *quarter)["2017-Q4"]
    bias = figures(folder, "forecast_bias", *quarter)["2017-Q4"]
    assert round(100 * (1 - accuracy), 4) == 8.9154
    assert round(100 * bias, 4) == 6.4142
    assert figures(folder, "forecast_accuracy", *quarter, of="n") == {"2017-Q4": 3}
    monthly = figures(folder, "forecast_accuracy", "--period", "2017-12", "--last", "3")
    errors = [100 * (1 - each) for each in monthly.values()]
    assert round(sum(errors) / 3, 4) == 8.5952  # MAPE
