import gzip
import os
import zipfile
from datetime import date, datetime

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import SourceError
from revops_kit.sources import delimited
from revops_kit.sources.files import Reject, read

TEXTS = {
    "German": ("Kunde,Stadt\nMüller & Söhne,Düsseldorf\nWeiß GmbH,Königstraße\n", "cp1252"),
    "one umlaut": ("id,name\n1,Müller\n2,Smith\n", "cp1252"),
    "French": ("société,ville\nL’Oréal,Nîmes\nRenée Côté,Besançon\n", "cp1252"),
    "Spanish": ("id,país\n1,España\n2,José Núñez\n", "cp1252"),
    "mixed": ("id,name\n1,Müller\n2,Ñandú SA\n3,Crédit Lyonnais\n4,Ørsted\n", "cp1252"),
    "signs": ("id,note\n1,5 €\n2,it’s 3 m²\n3,Acme™\n", "cp1252"),
    "Polish": ("id,miasto\n1,Łódź\n2,Kraków\n3,Wrocław\n", "cp1250"),
    "Czech": ("id,město\n1,Plzeň\n2,Dvořák\n3,Třebíč\n", "cp1250"),
    "Russian": ("город,сумма\nМосква,5\nООО Ромашка,6\n", "cp1251"),
    "Russian, old": ("город,сумма\nМосква,5\nООО Ромашка,6\n", "koi8_r"),
    "Greek": ("id,πόλη\n1,Αθήνα\n2,Θεσσαλονίκη\n", "cp1253"),
    "Turkish": ("id,şehir\n1,İstanbul\n2,Muğla\n", "cp1254"),
    "Japanese": ("会社名,金額\n株式会社テスト,1000\nソニー,5\n", "cp932"),
    "Chinese": ("公司,金额\n北京科技有限公司,1000\n上海,5\n", "gb18030"),
    "Korean": ("회사,금액\n삼성전자,1000\n서울특별시,5\n", "cp949"),
    "DOS": ("Kunde,Stadt\nMüller,Düsseldorf\nWeiß,Köln\n", "cp850"),
    "Mac": ("Kunde,Stadt\nMüller,Düsseldorf\nWeiß,Köln\n", "mac_roman"),
}


@pytest.fixture
def write(tmp_path):
    def write(content, name="deals.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(table):
    return table.frame.to_numpy().tolist()


# Encodings


@pytest.mark.parametrize(("text", "encoding"), TEXTS.values(), ids=TEXTS)
def test_an_old_encoding_is_found_and_told(write, text, encoding):
    table = read(write(text.encode(encoding)))
    assert [list(table.frame), *rows(table)] == [line.split(",") for line in text.split("\n")[:-1]]
    assert table.notes == [f"encoding {encoding}"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(write, encoding):
    table = read(write("näme,b\nŁ,2\n".encode(encoding)))
    assert list(table.frame) == ["näme", "b"]
    assert rows(table) == [["Ł", "2"]]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_read(write, encoding):
    assert rows(read(write("id;name\n1;Zoë\n".encode(encoding)))) == [["1", "Zoë"]]


def test_an_explicit_encoding_is_obeyed_with_a_mark_or_without(write):
    assert rows(read(write("a,b\nß,1\n".encode("cp850")), encoding="cp850")) == [["ß", "1"]]
    marked = read(write("a,b\nß,1\n".encode("utf-8-sig")), encoding="utf-8")
    assert list(marked.frame) == ["a", "b"]


def test_an_encoding_that_does_not_fit_names_the_line(write):
    path = write("id,name\n1,Smith\n2,Müller\n".encode("cp1252"))
    with pytest.raises(SourceError, match=r"deals\.csv is not utf-8: line 3 does not fit"):
        read(path, encoding="utf-8")


def test_an_unknown_encoding_is_named_with_the_nearest(write):
    with pytest.raises(SourceError, match=r"no encoding 'utf-88'. Did you mean 'utf-8'"):
        read(write("a,b\n1,2\n"), encoding="utf-88")


# Separators and quotes


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator_is_found_though_others_stand_in_the_fields(write, separator):
    fields = [["name", "size", "note"], ["Acme, Inc", "1,5", "a;b"], ["Lee | Co", "2,5", "x,y"]]
    text = "\n".join(separator.join(f'"{field}"' for field in row) for row in fields)
    assert rows(read(write(text))) == fields[1:]


def test_decimal_commas_do_not_pass_for_separators(write):
    table = read(write("name;amount;rate\nAcme, Inc.;1,50;2,1\nLee;2,75;3,0\n"))
    assert rows(table) == [["Acme, Inc.", "1,50", "2,1"], ["Lee", "2,75", "3,0"]]
    assert table.notes == ["separator ';'"]


def test_the_separator_line_for_excel_is_obeyed(write):
    table = read(write("sep=|\na|b\n1|2,3\n"))
    assert (rows(table), table.lines.tolist()) == ([["1", "2,3"]], [3])


def test_quoted_newlines_separators_and_quotes_are_kept_and_lines_stay_right(write):
    table = read(write('id,note\n1,"two\nlines"\n2,"a, ""b"""\n\n3,x\n'))
    assert rows(table) == [["1", "two\nlines"], ["2", 'a, "b"'], ["3", "x"]]
    assert table.lines.tolist() == [2, 4, 6]


@pytest.mark.parametrize("stray", ['5" pipe', '"5 inch', 'the "big" one', '"', '"big" one'])
def test_a_stray_quote_spoils_nothing_after_it(write, stray):
    table = read(write(f'id,note,n\n1,{stray},7\n2,"plain",8\n3,"a, b",9\n'))
    assert rows(table) == [["1", stray, "7"], ["2", "plain", "8"], ["3", "a, b", "9"]]
    assert table.lines.tolist() == [2, 3, 4]


def test_a_lone_quote_whose_match_is_lines_away_stays_on_its_line(write):
    table = read(write('id,note,n\n1,"lone,7\n2,x,"\n3,y,9\n'))
    assert rows(table) == [["1", '"lone', "7"], ["2", "x", '"'], ["3", "y", "9"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_read(write, end):
    table = read(write(end.join(["a,b", "1,2", "", "3,4", ""])))
    assert (rows(table), table.lines.tolist()) == ([["1", "2"], ["3", "4"]], [2, 4])


def test_nul_bytes_are_left_out_and_told(write):
    table = read(write(b"a,b\n1\0,2\n"))
    assert (rows(table), table.notes) == ([["1", "2"]], ["1 NUL byte left out"])


def test_cells_and_names_are_trimmed_and_nothing_is_taken_for_missing(write):
    table = read(write("id , country\n 00123\u00a0,NA\n\u202f7,\n"))
    assert list(table.frame) == ["id", "country"]
    assert rows(table) == [["00123", "NA"], ["7", None]]


# Rows


def test_ragged_rows_are_set_aside_with_their_lines(write):
    table = read(write("a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3,,\n"))
    assert rows(table) == [["1", "2", "3"], ["1", "2", "3"]]
    assert table.rejects == [
        Reject(3, None, "has 2 fields where the header has 3"),
        Reject(4, None, "has 4 fields where the header has 3"),
    ]


def test_a_separator_at_the_end_of_every_line_or_of_the_header_is_forgiven(write):
    assert list(read(write("a,b,\n1,2,\n")).frame) == ["a", "b"]
    assert rows(read(write("a,b,\n1,2\n"))) == [["1", "2"]]
    assert rows(read(write("a,b\n1,2,\n"))) == [["1", "2"]]


def test_columns_without_a_name_and_names_that_repeat_can_be_told_apart(write):
    table = read(write("id,,id,id (2),id\n1,2,3,4,5\n"))
    assert list(table.frame) == ["id", "column 2", "id (3)", "id (2)", "id (4)"]
    assert rows(table) == [["1", "2", "3", "4", "5"]]


def test_google_ads_titles_and_totals_are_left_out_and_told(write):
    table = read(
        write(
            "Campaign report\n"
            '"January 1, 2026 - January 31, 2026"\n'
            "Campaign status,Campaign,Currency code,Cost,Clicks\n"
            'Enabled,Brand,USD,"1,200.50",90\n'
            "Paused,Generic,USD,300.25,10\n"
            'Total: Campaigns, --, --,"1,500.75",100\n'
            'Total: Account, --,USD,"1,500.75",100\n'
        )
    )
    assert table.frame["Cost"].to_list() == ["1,200.50", "300.25"]
    assert table.lines.tolist() == [4, 5]
    assert table.notes == [
        "header on line 3",
        "2 lines above it left out (lines 1, 2)",
        "2 totals left out (lines 6, 7)",
    ]


def test_the_salesforce_footer_is_left_out_and_told(write):
    table = read(
        write(
            '"Opportunity","Stage","Amount"\n"Acme - 100","Closed Won","100"\n'
            '"Lee","Closed Lost","50"\n\n\n"Pipeline, all"\n'
            '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."\n'
            '"Confidential Information - Do Not Distribute"\n"Generated By:  A. Person  1/2/2026"\n'
        )
    )
    assert len(table.frame) == 2
    assert table.rejects == []
    assert table.notes == ["4 footer lines left out (lines 6, 7, 8, 9)"]


def test_a_customer_named_total_is_no_total(write):
    text = "account,region,amount\nTotal Wine & More,US,5\nTotal,France,7\nSumma Ltd,SE,8\n"
    assert len(read(write(text)).frame) == 3


def test_a_row_cut_off_at_the_end_is_a_reject_and_no_footer(write):
    table = read(write("a,b,c\n1,2,3\n4,5,6\n7\n"))
    assert [reject.line for reject in table.rejects] == [4]


def test_a_header_glued_into_the_middle_is_left_out_and_told(write):
    table = read(write("id,amount\n1,5\nid,amount\n2,6\n"))
    assert rows(table) == [["1", "5"], ["2", "6"]]
    assert table.notes == ["1 repeated header left out (line 3)"]


def test_skip_rows_says_where_the_header_is(write):
    table = read(write("Filter,EMEA\nBy,Owner\nid,amount\n1,5\n"), skip_rows=2)
    assert (list(table.frame), table.lines.tolist()) == (["id", "amount"], [4])


def test_a_header_alone_gives_an_empty_frame_with_its_columns(write):
    table = read(write("id,amount\n"))
    assert (list(table.frame), len(table.frame), len(table.lines)) == (["id", "amount"], 0, 0)


def test_a_report_without_rows_keeps_its_footer_out(write):
    table = read(write("id,stage,amount\n\nConfidential Information - Do Not Distribute\n"))
    assert (len(table.frame), table.rejects) == (0, [])


fields = st.text(st.sampled_from('ab1"\n ;é.'), max_size=5)


@given(st.lists(st.lists(fields, min_size=3, max_size=3), min_size=1, max_size=8), st.booleans())
def test_both_ways_of_reading_give_equal_tables(cells, quoted):
    def written(cell):
        escaped = cell.replace('"', '""')
        return f'"{escaped}"' if quoted or '"' in cell else cell

    text = "x,y,z\n" + "\n".join(",".join(map(written, row)) for row in cells) + "\n"
    if not delimited.is_well_formed(text, ","):
        return
    fast = delimited.read_at_once(text, ",", header_first=True)
    careful = delimited.read_carefully(text, ",", header_first=True)
    if fast is None:  # rows of other widths: left to the careful one
        return
    pd.testing.assert_frame_equal(fast.frame, careful.frame)
    assert fast.lines.tolist() == careful.lines.tolist()
    assert fast.notes == careful.notes
    assert careful.rejects == []


def test_a_long_export_is_read_at_once_with_titles_totals_and_footer():
    body = [f"{n},deal {n},{n}.50" for n in range(3_000)]
    lines = [
        "Report",
        "id,name,amount",
        *body[:1_000],
        "",
        *body[1_000:],
        "Total,,99",
        "",
        "Printed",
    ]
    text = "\n".join(lines)
    fast, careful = delimited.read_at_once(text, ","), delimited.read_carefully(text, ",")
    pd.testing.assert_frame_equal(fast.frame, careful.frame)
    assert len(fast.frame) == 3_000
    # Line 2 is the header, and an empty line stands after the first thousand.
    assert fast.lines.tolist() == careful.lines.tolist() == [*range(3, 1_003), *range(1_004, 3_004)]
    assert fast.notes == careful.notes
    assert fast.notes[-2:] == [
        "1 total left out (line 3,004)",
        "1 footer line left out (line 3,006)",
    ]


# Spreadsheets


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)
    return path


def test_spreadsheet_cells_become_text_that_loses_nothing(tmp_path):
    cells = ["7123456789012345678", "00123", "NA", 123, 1.5, date(2026, 1, 31), True, "#REF!"]
    header = ["id", "zip", "country", "seats", "rate", "closed", "won", "broken"]
    table = read(workbook(tmp_path / "deals.xlsx", Deals=[header, cells]))
    assert rows(table) == [
        ["7123456789012345678", "00123", "NA", "123", "1.5", "2026-01-31", "TRUE", "#REF!"]
    ]


def test_an_error_cell_stays_as_its_text(tmp_path):
    path = tmp_path / "deals.xlsx"
    book = openpyxl.Workbook()
    for row in [["id", "amount", "rate"], ["1", "#REF!", "#N/A"]]:
        book.active.append(row)
    for cell in book.active[2][1:]:
        cell.data_type = "e"
    book.save(path)
    assert rows(read(path)) == [["1", "#REF!", "#N/A"]]


def test_moments_and_numbers_of_three_decimals_stay_what_they_are(tmp_path):
    path = workbook(tmp_path / "a.xlsx", A=[["at", "x"], [datetime(2026, 1, 31, 10, 30), 1.234]])
    # A fourth decimal keeps 1.234 from being taken for a thousand.
    assert rows(read(path)) == [["2026-01-31 10:30:00", "1.2340"]]


def test_an_id_that_the_spreadsheet_has_rounded_is_told(tmp_path):
    table = read(workbook(tmp_path / "a.xlsx", A=[["id", "x"], [7123456789012345678, 1]]))
    assert "more than 15 digits" in table.notes[0]


def test_titles_stray_cells_and_empty_columns_are_left_out(tmp_path):
    cells = [
        ["Pipeline 2026"],
        [],
        [None, "id", "amount", None, None],
        [None, "1", 5, None, "call him"],
        [None, "2", 6, None, None],
        [],
        [None, None, "checked by Ann"],
    ]
    table = read(workbook(tmp_path / "deals.xlsx", Deals=cells))
    assert list(table.frame) == ["id", "amount"]
    assert (rows(table), table.lines.tolist()) == ([["1", "5"], ["2", "6"]], [4, 5])
    assert table.notes == [
        "header on line 3",
        "1 line above it left out (line 1)",
        "1 cell beside the table left out",
        "1 footer line left out (line 7)",
    ]


def test_the_sheet_is_taken_by_name_number_or_as_the_first_with_a_table(tmp_path):
    path = workbook(
        tmp_path / "deals.xlsx",
        Cover=[["Read me"]],
        Deals=[["id"], ["1"], ["2"]],
        Lost=[["id"], ["9"]],
    )
    assert rows(read(path)) == [["1"], ["2"]]
    assert read(path).notes == ["sheet 'Deals', the first of 2 with a table"]
    assert rows(read(path, sheet="Lost")) == rows(read(path, sheet=3)) == [["9"]]
    with pytest.raises(
        SourceError, match=r"no sheet 'Dels'\. Did you mean 'Deals'.*Cover, Deals, Lost"
    ):
        read(path, sheet="Dels")
    with pytest.raises(SourceError, match="no sheet 4"):
        read(path, sheet=4)


# Parquet and JSON


def test_parquet_keeps_its_types_and_long_ids_beside_missing_ones(tmp_path):
    path = tmp_path / "deals.parquet"
    frame = pd.DataFrame(
        {
            "id": pd.array([7123456789012345678, None], dtype="Int64"),
            "name": ["Ann", None],
            "at": pd.to_datetime(["2026-01-31", None]),
            "tags": [["a", "b"], None],
            "stage": pd.Categorical(["won", "lost"]),
        }
    )
    frame.to_parquet(path)
    table = read(path)
    assert table.frame["id"].to_list() == [7123456789012345678, None]
    assert table.frame["name"].to_list() == ["Ann", None]
    assert table.frame["tags"].to_list() == ['["a", "b"]', None]
    assert table.frame["stage"].to_list() == ["won", "lost"]
    assert table.frame["at"].dtype.kind == "M"


def test_json_lines_keep_their_types_and_a_broken_one_is_set_aside(write):
    lines = ['{"id": 7123456789012345678, "won": true, "x": {"a": [1]}}', "", "{broken", "[1]"]
    table = read(write("\n".join([*lines, '{"id": 2, "y": "z"}']), "deals.jsonl"))
    assert rows(table) == [
        [7123456789012345678, True, '{"a": [1]}', None],
        [2, None, None, "z"],
    ]
    assert table.lines.tolist() == [1, 5]
    assert table.rejects == [
        Reject(3, None, "is not valid JSON"),
        Reject(4, None, "is not a JSON object"),
    ]


def test_a_json_array_of_objects_knows_its_lines(write):
    table = read(write('[\n  {"id": 1, "v": "a"},\n  {"id": 2,\n   "v": 5}\n]\n', "deals.json"))
    assert (rows(table), table.lines.tolist()) == ([[1, "a"], [2, "5"]], [2, 3])


# Packed


def test_packed_files_are_read(tmp_path):
    packed = tmp_path / "deals.csv.gz"
    packed.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert rows(read(packed)) == [["1", "2"]]
    with zipfile.ZipFile(tmp_path / "deals.zip", "w") as archive:
        archive.writestr("deals.csv", "a,b\n3,4\n")
    assert rows(read(tmp_path / "deals.zip")) == [["3", "4"]]
    with zipfile.ZipFile(tmp_path / "deals.zip", "a") as archive:
        archive.writestr("more.csv", "a,b\n3,4\n")
    with pytest.raises(SourceError, match="holds 2 files"):
        read(tmp_path / "deals.zip")


# What cannot be read


def test_a_missing_file_is_answered_with_the_nearest(write):
    path = write("a,b\n1,2\n", "pipeline.csv")
    with pytest.raises(SourceError, match=r"no file pipelin\.csv.*Did you mean 'pipeline\.csv'"):
        read(path.with_name("pipelin.csv"))
    with pytest.raises(SourceError, match="no folder"):
        read(path.parent / "nowhere" / "deals.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SourceError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf\r\n", b",,,\n,,,\n", b'""\n'])
def test_an_empty_file_says_so(write, content):
    with pytest.raises(SourceError, match=r"deals\.csv is empty"):
        read(write(content))


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods", "a.parquet", "a.csv.gz", "a.zip"])
def test_a_corrupt_file_is_named_with_its_cure(write, name):
    with pytest.raises(SourceError, match=f"{name} cannot be"):
        read(write(b"PK\x03\x04 and no more", name))


def test_an_unknown_kind_is_tried_as_text(write):
    assert rows(read(write("a,b\n1,2\n", "export.dat"))) == [["1", "2"]]
    with pytest.raises(SourceError, match=r"picture\.png .*: (say its|save it)"):
        read(write(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "picture.png"))


def test_broken_json_names_its_line(write):
    with pytest.raises(SourceError, match="not valid JSON: look at line 3"):
        read(write('[\n{"id": 1},\n{"id": }\n]', "deals.json"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(write):
    path = write("a,b\n1,2\n")
    path.chmod(0)
    with pytest.raises(SourceError, match="may not be read"):
        read(path)


def test_lines_are_whole_numbers(write):
    assert read(write("a,b\n1,2\n")).lines.dtype == np.int64
