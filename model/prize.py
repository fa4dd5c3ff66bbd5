"""Whether somebody's copy of the Netflix Prize data is whole: how many rows each of its files has and should.

The files are counted as they stream by, without reading a single rating: two gigabytes take seconds. What a
count cannot see, such as a changed digit, is found when the ratings are read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import DataError
from model.formats.source import Member, open_source
from model.progress import MEGABYTE, Step, track_step

N_RATINGS, N_MOVIES = 100_480_507, 17_770
KAGGLE = "https://www.kaggle.com/datasets/netflix-inc/netflix-prize-data"
INSTRUCTIONS = f"""\
The Netflix Prize data may not be passed on, so this command cannot fetch it: it takes a (free) account of
your own at Kaggle, which offers it with its terms of use.

1. Sign in at https://www.kaggle.com, open {KAGGLE}
   and read the terms there.
2. Press Download, or use Kaggle's own command with a token of your account:
     kaggle datasets download netflix-inc/netflix-prize-data
3. Unpack the archive (2.1 GB unpacked) into a folder:
     unzip netflix-prize-data.zip -d netflix-prize
   It holds combined_data_1.txt to combined_data_4.txt, movie_titles.csv, probe.txt and qualifying.txt.
4. See whether all of it is there:
     python -m model.download netflix-prize --check netflix-prize
5. Train, and measure as the Prize did:
     python train.py --data netflix-prize --test-pairs netflix-prize/probe.txt"""

_CHUNK = 1 << 20
_RATING = re.compile(rb"[0-9]+,[1-5],[0-9]{4}-[0-9]{2}-[0-9]{2}")
_QUALIFYING = re.compile(rb"[0-9]+,[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PROBE = re.compile(rb"[0-9]+")
_TITLE = re.compile(rb"[0-9]+,(?:[0-9]{4}|NULL),.+")
_OF_ONE_MOVIE = re.compile(r"mv_([0-9]{7})\.txt")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a file of the Prize holds."""

    names: tuple[str, ...]
    """What it is called, in either of the two downloads."""
    unit: str
    n_rows: int
    n_movies: int | None
    """Lines `movie:`; 0 for a file without, None where they are not counted."""
    row: re.Pattern[bytes]
    is_needed: bool = True
    """Whether training needs it."""


_RATINGS = (
    _Expected(("combined_data_1.txt",), "ratings", 24_053_764, 4_499, _RATING),
    _Expected(("combined_data_2.txt",), "ratings", 26_977_591, 4_711, _RATING),
    _Expected(("combined_data_3.txt",), "ratings", 22_601_629, 4_157, _RATING),
    _Expected(("combined_data_4.txt",), "ratings", 26_847_523, 4_403, _RATING),
)
"""Movies 1 to 4499, to 9210, to 13367 and to 17770."""
_OTHERS = (
    _Expected(("movie_titles.csv", "movie_titles.txt"), "titles", N_MOVIES, 0, _TITLE),
    _Expected(("probe.txt",), "pairs", 1_408_395, None, _PROBE, is_needed=False),
    _Expected(("qualifying.txt",), "pairs", 2_817_131, None, _QUALIFYING, is_needed=False),
)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was found of one file, or of all the files of one movie each."""

    name: str
    unit: str
    """What its rows are."""
    n_rows: int | None
    """None where the file is not there."""
    n_expected: int
    problem: str | None
    """What is wrong with it; None where nothing is."""
    is_needed: bool
    """Whether training needs it."""


@dataclass(frozen=True, slots=True)
class _Counts:
    n_rows: int
    n_movies: int
    last_line: bytes


def check_prize(path: Path) -> list[FileCheck]:
    """Count the rows of every file of the Prize.

    Args:
        path: the folder or archive with the files of either download: `combined_data_1.txt` and so on, or
            `training_set/mv_0000001.txt` and so on.

    Returns:
        A line for each file; the files of one movie each share a line.

    Raises:
        DataError: if there is no file of the Prize at all, or an archive is damaged.
    """
    with open_source(path) as source:
        inner = [found for member in source.members for found in source.open_inner(member)]
        members = {member.path.name: member for member in [*source.members, *inner]}
        of_one_movie = [member for name, member in members.items() if _OF_ONE_MOVIE.fullmatch(name)]
        combined = [expected for expected in _RATINGS if expected.names[0] in members]
        known = [
            members[name] for wanted in (*_RATINGS, *_OTHERS) for name in wanted.names if name in members
        ]
        if not of_one_movie and not combined:
            raise DataError(
                f"{path}: no ratings of the Netflix Prize; expected combined_data_1.txt to "
                f"combined_data_4.txt, or training_set/mv_0000001.txt to mv_{N_MOVIES:07}.txt"
            )
        sizes = [member.n_bytes or 0 for member in [*known, *of_one_movie]]
        with track_step("counting", total=sum(sizes) / MEGABYTE, unit="MB") as step:
            if combined:
                ratings = [_check_file(wanted, members, step) for wanted in _RATINGS]
            else:
                ratings = [_check_training_set(of_one_movie, step)]
            return ratings + [_check_file(wanted, members, step) for wanted in _OTHERS]


def _check_file(expected: _Expected, members: dict[str, Member], step: Step) -> FileCheck:
    name = next((name for name in expected.names if name in members), None)
    counts = None if name is None else _count(members[name], step, has_movies=expected.n_movies != 0)
    return FileCheck(
        name=name or expected.names[0],
        unit=expected.unit,
        n_rows=None if counts is None else counts.n_rows,
        n_expected=expected.n_rows,
        problem="not there" if counts is None else _find_problem(expected, counts),
        is_needed=expected.is_needed,
    )


def _find_problem(expected: _Expected, counts: _Counts) -> str | None:
    if not expected.row.fullmatch(counts.last_line):
        return f"breaks off in its last line, {_show(counts.last_line)}{_describe_gap(expected, counts)}"
    gap = _describe_gap(expected, counts)
    return gap.removeprefix("; ") or None


def _describe_gap(expected: _Expected, counts: _Counts) -> str:
    """How many rows and movies are missing or too many."""
    gaps = []
    for unit, n, wanted in (
        (expected.unit, counts.n_rows, expected.n_rows),
        ("movies", counts.n_movies, expected.n_movies),
    ):
        if wanted is not None and n != wanted:
            gaps.append(f"{abs(wanted - n):,} {unit} {'are missing' if n < wanted else 'too many'}")
    return "".join(f"; {gap}" for gap in gaps)


def _check_training_set(members: Sequence[Member], step: Step) -> FileCheck:
    """Count the ratings of 17,770 files."""
    n_rows, broken = 0, []
    there = set()
    for member in members:
        number = _OF_ONE_MOVIE.fullmatch(member.path.name)
        counts = _count(member, step, has_movies=True)
        n_rows += counts.n_rows
        if number is not None:
            there.add(int(number[1]))
        if counts.n_movies != 1 or not _RATING.fullmatch(counts.last_line):
            broken.append(member.path.name)
    absent = [f"mv_{movie:07}.txt" for movie in range(1, N_MOVIES + 1) if movie not in there]
    problems = []
    if absent:
        problems.append(f"{len(absent):,} files are not there ({_name(absent)})")
    if broken:
        problems.append(f"{len(broken):,} files break off ({_name(broken)})")
    if n_rows != N_RATINGS:
        verb = "are missing" if n_rows < N_RATINGS else "too many"
        problems.append(f"{abs(N_RATINGS - n_rows):,} ratings {verb}")
    return FileCheck(
        name="training_set",
        unit="ratings",
        n_rows=n_rows,
        n_expected=N_RATINGS,
        problem="; ".join(problems) or None,
        is_needed=True,
    )


def _count(member: Member, step: Step, *, has_movies: bool) -> _Counts:
    """Count the lines of a file: those with `:` at their end apart from the others."""
    n_lines = n_movies = 0
    tail = b""
    with member.open() as stream:
        while chunk := stream.read(_CHUNK):
            n_lines += chunk.count(b"\n")
            n_movies += chunk.count(b":") if has_movies else 0
            tail = (tail + chunk)[-_CHUNK:]
            step.advance(len(chunk) / MEGABYTE)
    # blank lines at the end are no rows, and the last row may lack its line end
    text = tail.rstrip(b"\r\n")
    n_lines += 1 if text else 0
    n_lines -= tail.count(b"\n", len(text))
    return _Counts(n_lines - n_movies, n_movies, text[text.rfind(b"\n") + 1 :].rstrip(b"\r"))


def _name(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")


def _show(line: bytes) -> str:
    return repr(line[:60].decode("latin-1"))
