import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

import revops_kit as rk
from revops_kit.charts import page
from revops_kit.units import (
    COUNT,
    DAYS,
    ENGLISH,
    MINUS,
    MONEY,
    MONEY_PER_DAY,
    RATIO,
    SHARE,
    locale,
    number,
    percent,
    plural,
    written_in,
)

SPACE, WIDE = "\u202f", "\u00a0"
UNITS = [SHARE, MONEY, MONEY_PER_DAY, DAYS, COUNT, RATIO]
LOCALES = [
    ENGLISH, "en_US", "en_GB", "en_IN", "de_DE", "de_AT", "de_CH", "fr_FR", "fr_CH", "fr_CA",
    "es_ES", "es_MX", "pt_BR", "pt_PT", "it_IT", "nl_NL", "sv_SE", "nb_NO", "da_DK", "fi_FI",
    "pl_PL", "cs_CZ", "hu_HU", "ro_RO", "bg_BG", "uk_UA", "tr_TR", "el_GR", "he_IL", "hi_IN",
    "ja_JP", "zh_Hans_CN", "ko_KR", "th_TH", "vi_VN", "id_ID", "eu",
]  # fmt: skip


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
        (MONEY, 99.95, "$99.95"),
        (MONEY, 198.16, "$198"),
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


@pytest.mark.parametrize("unit", UNITS)
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


# --- locales -----------------------------------------------------------------------------------


# As Intl.NumberFormat of Chromium 156 writes them, but for Switzerland's mark, ' in its newer CLDR,
# and plain `en`, which is the kit's own.
@pytest.mark.parametrize(
    ("code", "currency", "money", "thousands", "share"),
    [
        ("en", "EUR", "€1,500", "12,345.60", f"10.5{SPACE}%"),
        ("en_US", "USD", "$1,500", "12,345.60", "10.5%"),
        ("en_GB", "GBP", "£1,500", "12,345.60", "10.5%"),
        ("de_DE", "EUR", f"1.500{WIDE}€", "12.345,60", f"10,5{WIDE}%"),
        ("de_CH", "CHF", f"CHF{WIDE}1’500", "12’345.60", "10.5%"),
        ("fr_FR", "EUR", f"1{SPACE}500{WIDE}€", f"12{SPACE}345,60", f"10,5{WIDE}%"),
        ("pt_BR", "BRL", f"R${WIDE}1.500", "12.345,60", "10,5%"),
        ("sv_SE", "SEK", f"1{WIDE}500{WIDE}kr", f"12{WIDE}345,60", f"10,5{WIDE}%"),
        ("tr_TR", "TRY", "₺1.500", "12.345,60", "%10,5"),
        ("ja_JP", "JPY", "￥1,500", "12,345.60", "10.5%"),
        ("ja_JP", "SEK", f"SEK{WIDE}1,500", "12,345.60", "10.5%"),
    ],
)
def test_numbers_have_the_marks_of_the_locale(code, currency, money, thousands, share):
    with written_in(code):
        assert MONEY.write(1_500, currency) == money
        assert MONEY.write_change(-1_500, currency) == MINUS + money
        assert number(12_345.6, 2) == thousands
        assert SHARE.write(0.105) == percent(0.105, 1) == share


def test_every_unit_follows_the_locale():
    with written_in("de_DE"):
        assert MONEY.write(1_240_000, "EUR") == f"1,24{SPACE}M{WIDE}€"
        assert MONEY_PER_DAY.write(60_146.85, "EUR") == f"60,1{SPACE}k{WIDE}€ a day"
        assert (DAYS.write(51.78), DAYS.write(1.02)) == ("51,8 days", "1 day")
        assert (COUNT.write(1_204), RATIO.write(-3.456)) == ("1.204", "−3,46")
        assert SHARE.write_change(-0.021) == f"−2,1{SPACE}pp"
        assert plural(2_000, "row") == "2.000 rows"


def test_indian_thousands_are_grouped_by_two():
    with written_in("en_IN"):
        assert number(1_234_567) == "12,34,567"


@given(st.sampled_from(LOCALES), st.floats(-1e12, 1e12), st.integers(0, 3))
def test_what_is_written_reads_back_as_the_rounded_value(code, value, decimals):
    with written_in(code):
        written = number(value, decimals).replace(MINUS, "-")
    assert parse_decimal(written, locale=code) == Decimal(f"{value:.{decimals}f}")


@given(st.sampled_from(LOCALES), st.sampled_from(UNITS), st.floats(-1e14, 1e14))
def test_units_have_the_same_digits_in_every_locale(code, unit, value):
    english = unit.write(value, "EUR")
    with written_in(code):
        written = unit.write(value, "EUR")
    assert re.sub(r"\D", "", written) == re.sub(r"\D", "", english)
    assert (MINUS in written, "M" in written) == (MINUS in english, "M" in english)


def test_axes_lose_decimals_and_never_thousands():
    with written_in("de_DE"):
        assert page.scale(MONEY, "EUR", [0, 9_000], [], most=3).labels == [
            f"0{WIDE}€", f"5.000{WIDE}€",
        ]  # fmt: skip
        assert page.scale(SHARE, "", [0, 0.4], [], most=2).labels[1] == f"20{WIDE}%"


def test_workspace_says_how_its_numbers_are_written(tmp_path):
    for code in ("de_DE", "fr_FR"):
        tmp_path.joinpath(code).mkdir()
        said = f'[company]\nlocale = "{code}"'
        tmp_path.joinpath(code, "revops.toml").write_text(said, "utf-8")
    german = rk.open(tmp_path / "de_DE")
    assert number(1_204) == "1.204"
    with ThreadPoolExecutor() as pool:
        assert pool.submit(number, 1_204).result() == "1.204"
    # Of two that are open, the later speaks, unless it is said whose turn it is.
    rk.open(tmp_path / "fr_FR")
    assert number(1_204) == f"1{SPACE}204"
    with written_in(german.company.locale):
        rk.open(tmp_path / "fr_FR")
        assert number(1_204) == "1.204"
    assert locale() == "fr_FR"
