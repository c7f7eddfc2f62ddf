import pytest

from revops_kit.units import COUNT, DAYS, MONEY, MONEY_PER_DAY, RATIO, SHARE, plural

SPACE = "\u202f"


@pytest.mark.parametrize(
    ("unit", "value", "written"),
    [
        (SHARE, 0.0, f"0.0{SPACE}%"),
        (SHARE, 0.10525, f"10.5{SPACE}%"),
        (SHARE, 0.999, f"99.9{SPACE}%"),
        (SHARE, 0.9996, f"100.0{SPACE}%"),
        (SHARE, 12.5, f"1,250{SPACE}%"),
        (SHARE, -0.035, f"−3.5{SPACE}%"),
        (MONEY, 0, "$0"),
        (MONEY, 0.5, "$0.50"),
        (MONEY, 12.0, "$12"),
        (MONEY, 999.99, "$1,000"),
        (MONEY, 9_999, "$9,999"),
        (MONEY, 12_345, f"$12.3{SPACE}k"),
        (MONEY, 999_499, f"$999{SPACE}k"),
        (MONEY, 999_950, f"$1.00{SPACE}M"),
        (MONEY, 1_240_000, f"$1.24{SPACE}M"),
        (MONEY, 10_005_534, f"$10.0{SPACE}M"),
        (MONEY, 999_999_999, f"$1.00{SPACE}bn"),
        (MONEY, -12.5, "−$12.50"),
        (MONEY_PER_DAY, 60_146.85, f"$60.1{SPACE}k a day"),
        (DAYS, 0.0, "0 days"),
        (DAYS, 1.0, "1 day"),
        (DAYS, 1.02, "1 day"),
        (DAYS, 51.782, "51.8 days"),
        (COUNT, 1204, "1,204"),
        (RATIO, 3.456, "3.46"),
    ],
)
def test_values_are_written_as_people_read_them(unit, value, written):
    assert unit.write(value) == written


@pytest.mark.parametrize("unit", [SHARE, MONEY, MONEY_PER_DAY, DAYS, COUNT, RATIO])
def test_what_is_missing_is_a_dash(unit):
    assert unit.write(None) == unit.write(float("nan")) == "–"
    assert unit.write_change(None) == unit.write_change(float("nan")) == "–"


def test_money_is_in_the_companys_currency():
    assert MONEY.write(1_500, "EUR") == "€1,500"
    assert MONEY.write(1_500, "SEK") == "SEK 1,500"
    assert MONEY.write_change(-1_500, "EUR") == "−€1,500"


def test_shares_differ_by_percentage_points_and_every_change_has_a_sign():
    assert SHARE.write_change(-0.021) == f"−2.1{SPACE}pp"
    assert DAYS.write_change(3.0) == "+3 days"
    assert DAYS.write_change(0.0).startswith("±0")


def test_counts_agree_with_their_noun():
    assert [plural(count, "row") for count in (0, 1, 1_000)] == ["0 rows", "1 row", "1,000 rows"]
    assert plural(2, "opportunity", "opportunities") == "2 opportunities"
