"""Reading rows: the fast parser, the strict one, and their agreement."""

import datetime as dt
import io
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import DataError
from model.formats.blocks import Rows, parse_block
from model.formats.layout import (
    PRIZE_PROBE,
    PRIZE_QUALIFYING,
    PRIZE_RATINGS,
    RATINGS_DAT,
    U_DATA,
    Layout,
    recognise,
)
from model.formats.rows import _StrictRows, read_rows
from model.formats.source import Member

SMALL_BLOCK = 16
"""Bytes: every file is read in many blocks."""


def csv_layout(header: str) -> Layout:
    """The layout of a CSV with this header."""
    layout = recognise([header])
    assert layout is not None
    return layout


SAMPLE = csv_layout("customer_id,rating,rating_date,movie_id,release_year,title")
TITLE_FIRST = csv_layout("title,year,userId,movieId,rating,timestamp")
WITH_INDEX = csv_layout(",MovieID,UserID,Rating,Date,comment")


def member(name: str, data: bytes) -> Member:
    """A file in memory."""
    return Member(name, PurePosixPath(name), lambda: io.BytesIO(data))


def table(rows: Rows) -> dict[str, object]:
    """Rows as plain lists, for comparison."""
    return {
        "user_ids": rows.user_ids.tolist(),
        "movie_ids": rows.movie_ids.tolist(),
        "half_stars": None if rows.half_stars is None else rows.half_stars.tolist(),
        "days": None if rows.days is None else rows.days.tolist(),
        "times": None if rows.times is None else rows.times.tolist(),
        "movies": rows.movies,
    }


def read(layout: Layout, *texts: bytes, block_bytes: int = 1 << 20) -> Rows:
    """Read files named file 1, file 2 and so on."""
    return read_rows(
        [member(f"file {k}", data) for k, data in enumerate(texts, 1)], layout, block_bytes=block_bytes
    )


@pytest.mark.parametrize("block_bytes", [SMALL_BLOCK, 1 << 20])
def test_rows_are_read_when_the_prize_format_is_given(block_bytes: int) -> None:
    """Each row takes the movie of the last line above it; a repeated heading is fine."""
    text = b"12:\n7,3,1970-01-02\n8,5,2005-02-03\n12:\n9,1,1970-01-01\n3:\n7,4,2000-02-29\n"
    assert table(read(PRIZE_RATINGS, text, block_bytes=block_bytes)) == {
        "user_ids": [7, 8, 9, 7],
        "movie_ids": [12, 12, 12, 3],
        "half_stars": [6, 10, 2, 8],
        "days": [1, 12817, 0, 11016],
        "times": None,
        "movies": {},
    }


@pytest.mark.parametrize(("layout", "separator"), [(RATINGS_DAT, b"::"), (U_DATA, b"\t")])
def test_rows_are_read_when_movielens_lines_are_given(layout: Layout, separator: bytes) -> None:
    """The day is that of the timestamp, in UTC; 86,399 is the last second of the first day."""
    text = b"1,20,3,86399\n2,10,4.5,86400\n".replace(b",", separator)
    assert table(read(layout, text)) == {
        "user_ids": [1, 2],
        "movie_ids": [20, 10],
        "half_stars": [6, 9],
        "days": [0, 1],
        "times": [86399, 86400],
        "movies": {},
    }


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_rows_carry_titles_when_the_sample_csv_is_given(block_bytes: int) -> None:
    """Titles may be quoted; the first row of a movie says its title and year."""
    text = (
        b"customer_id,rating,rating_date,movie_id,release_year,title\n"
        b'1,3,1970-01-01,5,1995,"Five, the ""Film"""\n'
        b"2,4,1970-01-01,5,1996,Other title\n"
        b"3,4,1970-01-01,6,,\n"
        b"4,4,1970-01-01,7,NULL,Seven\n"
    )
    rows = read(SAMPLE, text, block_bytes=block_bytes)
    assert rows.movies == {5: ('Five, the "Film"', 1995), 6: ("", 0), 7: ("Seven", 0)}
    assert rows.user_ids.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("guess", [0, 99])
def test_rows_keep_their_movie_when_the_guess_for_the_next_block_is_wrong(
    monkeypatch: pytest.MonkeyPatch, guess: int
) -> None:
    """Blocks are parsed ahead with the movie they seem to start with; what counts is the one they do."""
    text = b"5:\n" + b"".join(b"%d,3,2005-01-02\n" % user for user in range(1, 400))
    monkeypatch.setattr("model.formats.rows._find_last_heading", lambda _batch: guess)
    rows = read(PRIZE_RATINGS, text, block_bytes=256)
    assert set(rows.movie_ids.tolist()) == {5}
    assert rows.user_ids.tolist() == list(range(1, 400))


def test_rows_ignore_columns_when_they_are_not_known() -> None:
    """An index column and a comment, even a quoted one, are ignored."""
    text = (
        b',MovieID,UserID,Rating,Date,comment\n0,5,1,3,1970-01-01,"good, ""very"""\n1,6,2,4.0,1970-01-02,\n'
    )
    rows = table(read(WITH_INDEX, text))
    assert (rows["user_ids"], rows["movie_ids"], rows["half_stars"]) == ([1, 2], [5, 6], [6, 8])


def test_rows_have_no_rating_when_queries_are_given() -> None:
    """probe.txt has users only, qualifying.txt users and days."""
    probe, qualifying = read(PRIZE_PROBE, b"5:\n1\n2\n"), read(PRIZE_QUALIFYING, b"5:\n1,1970-01-04\n")
    assert (probe.user_ids.tolist(), probe.half_stars, probe.days) == ([1, 2], None, None)
    assert (qualifying.movie_ids.tolist(), qualifying.half_stars) == ([5], None)
    assert qualifying.days is not None
    assert qualifying.days.tolist() == [3]


def test_rows_follow_the_order_of_the_files_when_there_are_several() -> None:
    """Small files are parsed together, in order; empty ones and lone headings add nothing."""
    rows = read(PRIZE_RATINGS, b"2:\n1,3,1970-01-01\n", b"\n", b"9:\n", b"1:\n4,5,1970-01-01")
    assert (rows.user_ids.tolist(), rows.movie_ids.tolist()) == ([1, 4], [2, 1])


def test_rows_are_empty_when_there_are_no_files_or_no_lines() -> None:
    """Nothing, a header and a heading give no rows."""
    assert not len(read(PRIZE_RATINGS).user_ids)
    assert not len(read(SAMPLE, SAMPLE.form.encode()).user_ids)
    assert not len(read(PRIZE_RATINGS, b"1:\n").user_ids)


@pytest.mark.parametrize("block_bytes", [SMALL_BLOCK, 1 << 20])
def test_rows_are_read_when_line_ends_are_unusual(block_bytes: int) -> None:
    """A byte order mark, CRLF, blank lines at the end and a missing last line end are fine."""
    plain = table(read(RATINGS_DAT, b"1::2::3::4\n5::6::4::8\n"))
    for text in (
        b"\xef\xbb\xbf1::2::3::4\r\n5::6::4::8\r\n\r\n\n\r\n",
        b"1::2::3::4\n5::6::4::8",
        b"1::2::3::4\n5::6::4::8" + b"\n" * 100,
    ):
        assert table(read(RATINGS_DAT, text, block_bytes=block_bytes)) == plain


def test_rows_are_read_strictly_when_the_fast_parser_gives_up() -> None:
    """Unusual but valid forms are read: long ids, times before 1970, quoted numbers."""
    assert table(read(RATINGS_DAT, b"9223372036854775807::2::3.50::-1\n")) == {
        "user_ids": [2**63 - 1],
        "movie_ids": [2],
        "half_stars": [7],
        "days": [-1],
        "times": [-1],
        "movies": {},
    }
    text = b'title,year,userId,movieId,rating,timestamp\n"A, B",1999,"1","2",3,4\nC,,2,3,4,5\n'
    assert read(TITLE_FIRST, text).movies == {2: ("A, B", 1999), 3: ("C", 0)}


@pytest.mark.parametrize("block_bytes", [SMALL_BLOCK, 1 << 20])
@pytest.mark.parametrize(
    ("layout", "text", "line", "problem"),
    [
        (PRIZE_RATINGS, b"7,3,2005-01-01\n", 1, "a row before the first movie"),
        (PRIZE_RATINGS, b"0:\n7,3,2005-01-01\n", 1, "movie '0' is not a whole number"),
        (PRIZE_RATINGS, b":\n7,3,2005-01-01\n", 1, "movie '' is not"),
        (PRIZE_RATINGS, b"1:\n7,3,2005-02-29\n", 2, "'2005-02-29' is not a date of the calendar"),
        (PRIZE_RATINGS, b"1:\n7,3,2005-00-10\n", 2, "not a date of the calendar"),
        (PRIZE_RATINGS, b"1:\n7,3,2005-13-01\n", 2, "not a date of the calendar"),
        (PRIZE_RATINGS, b"1:\n7,3,2059-09-19\n", 2, "out of range: expected 1900-01-01 to 2059-09-18"),
        (PRIZE_RATINGS, b"1:\n7,3,1899-12-31\n", 2, "out of range"),
        (PRIZE_RATINGS, b"1:\n7,3,9999-12-31\n", 2, "out of range"),
        (PRIZE_RATINGS, b"1:\n7,3,05-12-31\n", 2, "is not a date"),
        (PRIZE_RATINGS, b"1:\n7,3,2005/12/31\n", 2, "is not a date"),
        (PRIZE_RATINGS, b"1:\n7,3,2005-12-31\n\n8,3,2005-12-31\n", 3, "blank line"),
        (PRIZE_RATINGS, b"1:\n7,3\n", 2, "2 fields instead of 3"),
        (PRIZE_RATINGS, b"1:\n7,3,2005-12-31,\n", 2, "4 fields instead of 3"),
        (RATINGS_DAT, b"1::2::3::4\n1::x::3::4\n", 2, "movie 'x' is not a whole number from 1 to"),
        (RATINGS_DAT, b"1::2::3::4\n-1::2::3::4\n", 2, "user '-1' is not"),
        (RATINGS_DAT, b"1::2::3::4\n0::2::3::4\n", 2, "user '0' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::0::3::4\n", 2, "movie '0' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::9223372036854775808::3::4\n", 2, "is not a whole number from 1 to"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::0::4\n", 2, "rating '0' is not 0.5 to 5 in steps of 0.5"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::6::4\n", 2, "rating '6' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::5.5::4\n", 2, "rating '5.5' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::3.7::4\n", 2, "rating '3.7' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::3,5::4\n", 2, "rating '3,5' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::nan::4\n", 2, "rating 'nan' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::inf::4\n", 2, "rating 'inf' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::3::2831155200\n", 2, "timestamp '2831155200' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1::2::3::\n", 2, "timestamp '' is not"),
        (RATINGS_DAT, b"1::2::3::4\n1\t2::3::4\n", 2, "3 fields instead of 4"),
        (RATINGS_DAT, b"1::2::3::4\n1:::2::3::4\n", 2, "movie ':2' is not"),
        (RATINGS_DAT, b"1::2::3::4\r5::2::3::4\n", 1, "carriage return within the line"),
        (RATINGS_DAT, b"1::2::3::4\n\xff::2::3::4\n", 2, "byte 0xff is not UTF-8"),
        (SAMPLE, b"header\n1,3,2005-01-01,5,1995,Caf\xe9\n", 2, "byte 0xe9 is not UTF-8"),
        (SAMPLE, b"header\n1,3,2005-01-01,5,1995,A, B\n", 2, "7 fields instead of 6"),
        (SAMPLE, b'header\n1,3,2005-01-01,5,1995,"A"\n2,3,2005-01-01,5,1995,"A, B\n', 3, "bad quoting"),
        (SAMPLE, b"header\n1,3,2005-01-01,5,19955,A\n", 2, "release year '19955' is not 1800 to 2100"),
        (SAMPLE, b"header\n1,3,2005-01-01,5,1234,A\n", 2, "release year '1234' is not 1800 to 2100"),
        (SAMPLE, b"header\n\n1,3,2005-01-01,5,1995,A\n", 2, "blank line"),
    ],
)
def test_rows_are_refused_when_a_line_is_broken(
    layout: Layout, text: bytes, line: int, problem: str, block_bytes: int
) -> None:
    """The message names file, line, problem and what would be accepted, however the file is cut in blocks."""
    with pytest.raises(DataError) as caught:
        read(layout, text, block_bytes=block_bytes)
    message = str(caught.value)
    assert message.startswith(f"file 1, line {line}: ")
    assert problem in message
    assert message.endswith(f"; expected {layout.form}")


def test_rows_are_refused_when_a_later_file_starts_without_a_movie() -> None:
    """The movie of one file is not taken over by the next."""
    with pytest.raises(DataError, match="file 2, line 1: a row before the first movie"):
        read(PRIZE_RATINGS, b"2:\n1,3,1970-01-01\n", b"4,5,1970-01-01\n3:\n")


def test_rows_are_refused_when_a_line_has_no_end() -> None:
    """A file without line ends is no text: it is not read into memory whole."""
    with pytest.raises(DataError, match="file 1, line 2: longer than a line can be"):
        read(RATINGS_DAT, b"1::2::3::4\n" + b"1" * (3 << 20))


PLAIN_FIELDS = {
    "user": st.integers(1, 10**18 - 1).map(str),
    "movie": st.integers(1, 30).map(str),
    "rating": st.sampled_from(["1", "2", "5", "0.5", "4.0", "3.5"]),
    "date": st.dates(dt.date(1900, 1, 1), dt.date(2059, 9, 18)).map(str),
    "timestamp": st.integers(0, 2831155199).map(str),
    "title": st.text("ab é\t:|'\u2028\x85", max_size=5),
    "release year": st.sampled_from(["", "1800", "1995", "2100"]),
    "ignored": st.just("whatever"),
}
LAYOUTS = [PRIZE_RATINGS, PRIZE_QUALIFYING, PRIZE_PROBE, RATINGS_DAT, U_DATA, SAMPLE, TITLE_FIRST, WITH_INDEX]
ODD_NUMBERS = [
    "",
    "0",
    "00",
    "-1",
    " 1",
    "1.0",
    "3.",
    "3.7",
    "10",
    "nan",
    "9" * 19,
    "2831155200",
    "NULL",
    "1995.0",
]
ODD_DATES = ["1899-12-31", "2001-02-29", "2001-02-2x", "2059-09-19", "2001-00-01", "2001-13-01"]
ODD_TEXTS = ['"q"', '"a,b"', '"a""b"', '"', '"x"y', "é", "a,b", "1:", ":", "\t"]
ODD_FIELDS = st.sampled_from([*ODD_NUMBERS, *ODD_DATES, *ODD_TEXTS])


@st.composite
def plain_lines(draw: st.DrawFn, layout: Layout) -> list[str]:
    """Lines of a layout without anything unusual in them."""
    lines = [f"{draw(st.integers(1, 99))}:"] if layout.is_grouped else []
    for _ in range(draw(st.integers(1, 6))):
        lines.append(layout.separator.join(draw(PLAIN_FIELDS[column.value]) for column in layout.columns))
        if layout.is_grouped and draw(st.booleans()):
            lines.append(f"{draw(st.integers(1, 99))}:")
    return lines


@given(st.data())
def test_parsers_agree_when_lines_are_plain(data: st.DataObject) -> None:
    """The fast parser reads all plain lines, to the same rows as the strict one."""
    layout = data.draw(st.sampled_from(LAYOUTS))
    lines = data.draw(plain_lines(layout))
    fast = parse_block("".join(f"{line}\n" for line in lines).encode(), layout, 0)
    strict = _StrictRows(layout, 0)
    for line in lines:
        strict.add(line)
    assert fast is not None
    assert (table(fast[0]), fast[1] if layout.is_grouped else strict.movie) == (
        table(strict.build()),
        strict.movie,
    )


@given(st.data())
def test_parsers_agree_when_fields_are_odd(data: st.DataObject) -> None:
    """What the fast parser reads of odd lines, the strict one reads to the same rows."""
    layout = data.draw(st.sampled_from(LAYOUTS))
    lines = data.draw(plain_lines(layout))
    at = data.draw(st.integers(0, len(lines) - 1))
    fields = lines[at].split(layout.separator)
    fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(ODD_FIELDS)
    lines[at] = layout.separator.join(fields)
    text = "".join(f"{line}\n" for line in lines).encode()
    fast = parse_block(text, layout, 0)
    if fast is not None:
        header = b"header\n" if layout.has_header else b""
        strict = _StrictRows(layout, 0)
        for line in lines:
            strict.add(line)
        assert table(fast[0]) == table(strict.build()) == table(read(layout, header + text))
