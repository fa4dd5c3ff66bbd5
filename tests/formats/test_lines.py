"""The strict parser of single fields and lines."""

import pytest

from model.formats.layout import MOVIES_DAT, RATINGS_DAT, recognise
from model.formats.lines import (
    decode_line,
    parse_half_stars,
    parse_id,
    parse_time,
    parse_year,
    split_line,
)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("007", 7), ("9223372036854775807", 2**63 - 1)])
def test_parse_id_reads_when_in_range(text: str, value: int) -> None:
    """Ids are whole numbers from 1 to 2^63 - 1."""
    assert parse_id(text, "user") == value


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", "1.0", " 1", "1_0", "٣", "9223372036854775808", "9" * 5000]
)
def test_parse_id_refuses_when_not_an_id(text: str) -> None:
    """Anything else is refused, and the accepted range is said."""
    with pytest.raises(ValueError, match=r"^user '.* is not a whole number from 1 to 9223372036854775807$"):
        parse_id(text, "user")


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 1), ("1", 2), ("3.5", 7), ("4.0", 8), ("5.00", 10), ("05", 10)]
)
def test_parse_half_stars_reads_when_on_a_scale(text: str, value: int) -> None:
    """Ratings are 0.5 to 5 in halves, however many decimals are written."""
    assert parse_half_stars(text) == value


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "5.5", "6", "3.25", "-1", "nan", "inf", "1e0", "4,5", ".5", "10"]
)
def test_parse_half_stars_refuses_when_off_the_scale(text: str) -> None:
    """Anything else, non-finite numbers included, is refused."""
    with pytest.raises(ValueError, match=r"is not 0\.5 to 5 in steps of 0\.5"):
        parse_half_stars(text)


@pytest.mark.parametrize("value", [0, 978300760, -2208988800, 2831155199])
def test_parse_time_reads_when_within_the_days_accepted(value: int) -> None:
    """1900-01-01T00:00:00 is -2208988800 and 2059-09-18T23:59:59 is 2831155199."""
    assert parse_time(str(value)) == value


@pytest.mark.parametrize("text", ["", "-2208988801", "2831155200", "978300760.5", "1e9", "2000-01-01"])
def test_parse_time_refuses_when_outside_or_no_whole_number(text: str) -> None:
    """Other times are refused with the range accepted."""
    with pytest.raises(ValueError, match=r"1900-01-01\) to 2831155199 \(2059-09-18\)"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "year"), [("1995", 1995), ("1995.0", 1995), ("", 0), ("NULL", 0), ("1800", 1800)]
)
def test_parse_year_reads_when_a_year_or_none(text: str, year: int) -> None:
    """Nothing and NULL are no year."""
    assert parse_year(text) == year


@pytest.mark.parametrize("text", ["1799", "2101", "95", "1995.5", "null!", "19955"])
def test_parse_year_refuses_when_no_year(text: str) -> None:
    """Anything else is refused with the range accepted."""
    with pytest.raises(ValueError, match="is not 1800 to 2100, NULL or empty"):
        parse_year(text)


def test_decode_line_leaves_out_the_carriage_return_when_at_the_end() -> None:
    """CRLF is a line end."""
    assert decode_line("é\r".encode()) == "é"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "blank line"),
        (b"\r", "blank line"),
        (b"a\rb", "carriage return"),
        (b"a\xe9b", "byte 0xe9 is not UTF-8"),
    ],
)
def test_decode_line_refuses_when_blank_or_undecodable(data: bytes, problem: str) -> None:
    """Blank lines, carriage returns within a line and bytes that are not UTF-8 are refused."""
    with pytest.raises(ValueError, match=problem):
        decode_line(data)


def test_split_line_respects_quotes_when_a_csv() -> None:
    """In a CSV a quoted field may hold commas and doubled quotes."""
    layout = recognise(["userId,movieId,title"])
    assert layout is not None
    assert split_line(layout, '1,"2","A ""B"", C"') == ["1", "2", 'A "B", C']


@pytest.mark.parametrize("line", ['1,2,"open', '1,2,"closed"x'])
def test_split_line_refuses_when_quoting_is_broken(line: str) -> None:
    """A quoted field ends on its line and nothing follows its end."""
    layout = recognise(["userId,movieId,title"])
    assert layout is not None
    with pytest.raises(ValueError, match="bad quoting"):
        split_line(layout, line)


def test_split_line_refuses_when_the_number_of_fields_differs() -> None:
    """Both numbers are named."""
    with pytest.raises(ValueError, match="3 fields instead of 4 in '1::2::3'"):
        split_line(RATINGS_DAT, "1::2::3")


def test_split_line_leaves_the_rest_when_the_last_field_takes_it() -> None:
    """Separators in the last field stay there where the layout says so."""
    assert split_line(MOVIES_DAT, "1::Title::a::b") == ["1", "Title", "a::b"]
