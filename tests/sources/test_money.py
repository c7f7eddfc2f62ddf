import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import ContractError
from revops_kit.sources.money import to_money


def amounts(*written, **marks):
    return to_money(pd.Series(written, dtype=object), **marks)


def read(written, **marks):
    """Read one amount beside nothing that could settle it."""
    money = amounts(written, **marks)
    return money.values[0], money.currencies[0]


AS_WRITTEN = {
    "1234": (1234, None),
    "1234.5": (1234.5, None),
    "1,234.50": (1234.5, None),
    "1.234,50": (1234.5, None),
    "0.125": (0.125, None),
    "0,125": (0.125, None),
    "1234,567": (1234.567, None),
    "1,234,567": (1234567, None),
    "1.234.567": (1234567, None),
    "US$ 1,234.50": (1234.5, "USD"),
    "1.234,50 €": (1234.5, "EUR"),
    "EUR 1 234,50": (1234.5, "EUR"),
    "€1 234 567": (1234567, "EUR"),
    "R$ 1.234,00": (1234, "BRL"),
    "kr 1 234,50": (1234.5, "kr"),
    "1 234,50 kr.": (1234.5, "kr"),
    "£1k": (1000, "GBP"),
    "1.2M": (1_200_000, None),
    "2.3M": (2_300_000, None),
    "1,5 Mio. €": (1_500_000, "EUR"),
    "5 k€": (5000, "EUR"),
    "$1.5bn": (1_500_000_000, "$"),
    "₹12,34,567.00": (1_234_567, "INR"),
    "₹1.5 crore": (15_000_000, "INR"),
    "CHF 1'234.50": (1234.5, "CHF"),
    "CHF 1’234.50": (1234.5, "CHF"),
    "1\u202f234,50\u00a0€": (1234.5, "EUR"),
    "1\u2009234.50": (1234.5, None),
    "$1,234.50 CAD": (1234.5, "CAD"),
    "USD $5": (5, "USD"),
    "¥500": (500, "¥"),
    "５００円": (500, "JPY"),
    "12 zł": (12, "PLN"),
    "S/. 5,00": (5, "PEN"),
    "(1,234.50)": (-1234.5, None),
    "$(5.00)": (-5, "$"),
    "(5.00) €": (-5, "EUR"),
    "-$5": (-5, "$"),
    "$-5": (-5, "$"),
    "5-": (-5, None),
    "\u22125,5": (-5.5, None),
    "+5": (5, None),
    "1.234,-": (1234, None),
    "5.–": (5, None),
    "1.5E+06": (1_500_000, None),
}


@pytest.mark.parametrize(("written", "meant"), AS_WRITTEN.items(), ids=AS_WRITTEN)
def test_money_is_read_as_it_is_written_somewhere(written, meant):
    assert read(written) == meant


NO_AMOUNTS = [
    "12abc", "1,2,3", "1.2.3,4", "1 23", "--5", "(5", "5)", "(-5)", "5 mil", "5 cr", "€5 USD",
    "USD", "$", "5 %", "12/31", "1e", "free", "5,000.00.00", "#1", "a" * 9_000 + "1",
]  # fmt: skip


@pytest.mark.parametrize("written", NO_AMOUNTS, ids=lambda written: written[:12])
def test_what_is_no_amount_is_rejected_without_its_value(written):
    money = amounts("7", written)
    assert money.rejected == {1: "is not an amount"}
    assert math.isnan(money.values[1])
    assert money.currencies[1] is None


@pytest.mark.parametrize("written", ["", "  ", "-", "–", "--", "n/a", "NA", "null", "#N/A", None])
def test_blanks_are_missing_and_not_rejected(written):
    money = amounts("5", written)
    assert math.isnan(money.values[1])
    assert money.rejected == {}


@pytest.mark.parametrize("written", ["#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#BEZUG!", "####"])
def test_errors_of_a_spreadsheet_are_rejected(written):
    assert amounts(written).rejected == {0: "is a spreadsheet error"}


# One mark before three digits


@pytest.mark.parametrize("settling", ["1,234.50", "5.5", "1,234,567", "1 234.5", "0.125"])
def test_others_with_a_decimal_point_settle_an_ambiguous_amount(settling):
    money = amounts("1,234", settling)
    assert money.values[0] == 1234
    assert money.notes == ["1 ambiguous value read with decimal '.', which 1 other value settled"]


@pytest.mark.parametrize("settling", ["1.234,50", "5,5", "1.234.567", "1 234,567", "1.234,-"])
def test_others_with_a_decimal_comma_settle_it_the_other_way(settling):
    assert amounts("1,234", settling).values[0] == 1.234


def test_in_a_mixed_column_only_the_ambiguous_are_rejected():
    money = amounts("1,234.50", "1.234,50", "1.234", "€ 2,5", "7")
    assert money.values.drop(2).to_list() == [1234.5, 1234.5, 2.5, 7]
    assert money.rejected == {2: 'could be a thousand or a decimal: say decimal = "." or ","'}


@pytest.mark.parametrize("written", ["1,234", "1.234", "¥1,234", "1,234k", "-12.345 €"])
def test_a_column_that_nothing_settles_is_refused_with_the_cure(written):
    message = r"2 values .*first in data row 2\) .* Say decimal = \"\.\" or decimal = \",\""
    with pytest.raises(ContractError, match=message) as error:
        amounts("5", written, written)
    assert written not in str(error.value)


def test_the_decimal_mark_that_is_told_settles_the_ambiguous():
    assert amounts("1,234", "1.234", decimal=".").values.to_list() == [1234, 1.234]
    assert amounts("1,234", "1.234", decimal=",").values.to_list() == [1.234, 1234]
    assert amounts("1,234k", decimal=",").values.to_list() == [1234]


def test_a_mark_that_is_told_and_contradicted_is_noted():
    money = amounts("1,5", "1,234", decimal=".")
    assert money.values.to_list() == [1.5, 1234]
    assert money.notes == ["1 value is written with the other decimal mark"]


def test_the_grouping_mark_that_is_told_settles_as_well():
    assert amounts("1.234", thousands=".").values.to_list() == [1234]
    assert amounts("1.234", thousands=",").values.to_list() == [1.234]
    assert amounts("1.234", "1,234", thousands=" ").values.to_list() == [1.234, 1.234]


# Types


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "int64[pyarrow]", object])
def test_numbers_that_are_some_already_are_left_as_they_are(dtype):
    money = to_money(pd.Series([1234, -5], dtype=dtype))
    assert money.values.to_list() == [1234, -5]
    assert money.values.dtype == np.float64


def test_natives_stand_beside_texts():
    money = amounts(1.234, Decimal("1.234"), 1234, None, float("nan"), "5,5", True, math.inf)
    assert money.values.to_list()[:3] == [1.234, 1.234, 1234]
    assert money.rejected == {6: "is not an amount", 7: "is not an amount"}


def test_an_empty_column_stays_one():
    money = amounts()
    assert (len(money.values), len(money.currencies), money.rejected) == (0, 0, {})


def test_rows_keep_their_places_whatever_their_index():
    column = pd.Series(["5 €", "x", "5 €"], index=[7, 8, 9], dtype=object)
    money = to_money(column)
    assert money.values.index.to_list() == [0, 1, 2]
    assert money.currencies.to_list() == ["EUR", None, "EUR"]
    assert list(money.rejected) == [1]


# Written and read again: the styles of a dozen countries

STYLES = [(",", "."), (".", ","), (" ", ","), ("\u00a0", ","), ("'", "."), ("", "."), ("", ",")]
AROUND = ["{}", "${}", "{} €", "USD {}", "({})", "-{}", "{}-", "kr {}", "-€{}", "{} CHF"]


@given(st.integers(0, 10**12), st.sampled_from(STYLES), st.sampled_from(AROUND))
def test_an_amount_with_cents_comes_back_as_it_was(cents, style, around):
    grouping, decimal = style
    whole = f"{cents // 100:,}".replace(",", grouping)
    written = around.format(f"{whole}{decimal}{cents % 100:02}")
    size = float(Decimal(cents) / 100)
    assert read(written)[0] == (-size if "-" in written or "(" in written else size)


@given(st.text(st.sampled_from("0123456789.,' -+()$€kMe%x"), max_size=12))
def test_no_text_breaks_the_reader(text):
    try:
        money = amounts(text)
    except ContractError:
        return
    assert math.isnan(money.values[0]) or not money.rejected
