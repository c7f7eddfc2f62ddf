import datetime as dt
from decimal import Decimal

import pandas as pd
import pytest

from revops_kit.errors import ContractError
from revops_kit.sources.values import to_boolean, to_integer, to_number, to_text


def column(*values):
    return pd.Series(values, dtype=object)


def test_text_keeps_what_other_readers_destroy():
    text = to_text(column("NA", "00123", "7123456789012345678", "null", "-", "1e5", "True"))
    assert text.values.to_list() == [
        "NA", "00123", "7123456789012345678", "null", "-", "1e5", "True",
    ]  # fmt: skip
    assert text.rejected == {}


def test_blanks_around_a_text_go_and_blank_texts_are_none():
    text = to_text(column(" a\u00a0", "\u202fb\u200b", "", "  ", None, float("nan")))
    assert text.values.to_list() == ["a", "b", None, None, None, None]


def test_natives_become_the_text_people_would_write():
    text = to_text(column(123, 123.0, 1.5, Decimal("7.0"), True, dt.date(2026, 1, 31)))
    assert text.values.to_list() == ["123", "123", "1.5", "7", "true", "2026-01-31"]


@pytest.mark.parametrize("dtype", ["float64", "Int64", "int64[pyarrow]"])
def test_keys_of_a_column_of_numbers_lose_their_point(dtype):
    assert to_text(pd.Series([17, None], dtype=dtype)).values.to_list() == ["17", None]


def test_one_and_true_are_not_the_same_value():
    assert to_text(column(1, True, "1", 1.0)).values.to_list() == ["1", "true", "1", "1"]


def test_a_spreadsheet_error_is_rejected_as_text_and_a_failed_lookup_is_missing():
    text = to_text(column("#REF!", "#N/A", "#1 choice"))
    assert text.values.to_list() == [None, None, "#1 choice"]
    assert text.rejected == {0: "is a spreadsheet error"}


@pytest.mark.parametrize("yes", ["true", "TRUE", "Yes", "y", "1", "x", "ja", "oui", "Sí", 1, True])
def test_yes_is_read(yes):
    assert to_boolean(column(yes)).values.to_list() == [True]


@pytest.mark.parametrize("no", ["false", "No", "n", "0", "nein", "non", "não", 0, False, 0.0])
def test_no_is_read(no):
    assert to_boolean(column(no)).values.to_list() == [False]


def test_neither_yes_nor_no_is_rejected_and_a_blank_is_missing():
    answers = to_boolean(column("maybe", "2", "", "n/a", "#REF!"))
    assert answers.values.isna().all()
    assert answers.rejected == {
        0: "is neither yes nor no",
        1: "is neither yes nor no",
        4: "is a spreadsheet error",
    }


def test_whole_numbers_keep_every_digit():
    whole = to_integer(column("9007199254740993", 9007199254740993, "12.0", "1,234,567", "-5", ""))
    assert whole.values.to_list()[:5] == [9007199254740993, 9007199254740993, 12, 1234567, -5]
    assert whole.values.dtype == "Int64"


def test_what_is_not_whole_or_too_large_is_rejected():
    assert to_integer(column("2.5", "1e30", "two")).rejected == {
        0: "is not a whole number",
        1: "is too large a number",
        2: "is not a number",
    }


def test_numbers_are_read_with_exponents_signs_and_percent():
    written = column("1e6", "-2.5", "2,5-", "45 %", "%45", "12.5%", "+3", "1.5E-2")
    assert to_number(written).values.to_list() == [
        1e6, -2.5, -2.5, 0.45, 0.45, 0.125, 3, 0.015,
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["5 €", "1,2,3", "-5-", "5%%", "%5%", "abc", "1 2", "0x10"])
def test_what_is_no_number_is_rejected(written):
    assert to_number(column(written)).rejected == {0: "is not a number"}


def test_numbers_follow_the_rule_of_the_lone_mark():
    assert to_number(column("4.500", "3.9")).values.to_list() == [4.5, 3.9]
    assert to_number(column("4.500"), decimal=".").values.to_list() == [4.5]
    with pytest.raises(ContractError, match=r"Say decimal"):
        to_number(column("4.500", "3.981"))


def test_infinity_and_yes_are_no_numbers():
    assert to_number(pd.Series([1.0, float("inf")])).rejected == {1: "is not a finite number"}
    assert to_number(pd.Series([True, False])).rejected.keys() == {0, 1}


def test_shares_stay_and_percentages_become_shares():
    assert to_number(column("0.1", "1", "0", "45 %"), as_share=True).values.to_list() == [
        0.1, 1, 0, 0.45,
    ]  # fmt: skip
    percent = to_number(column("10", "100", "0", "45 %", "0.5"), as_share=True)
    assert percent.values.to_list() == [0.1, 1, 0, 0.45, 0.005]
    assert percent.notes == ["read as percent, for 2 values of it are above 1; 1 value below 1 too"]


def test_a_stray_percentage_among_shares_is_rejected():
    shares = to_number(column("0.1", "0.25", "45"), as_share=True)
    assert shares.values.to_list()[:2] == [0.1, 0.25]
    assert list(shares.rejected) == [2]
