"""Reading ratings of every supported format into one table, and writing a table as the sample CSV."""

import csv
import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.dates import Days, format_day
from model.errors import DataError
from model.formats.choice import choose_movie_file, choose_rating_files
from model.formats.layout import Column
from model.formats.lines import MAX_ID
from model.formats.movies import build_catalogue, read_movie_facts
from model.formats.rows import read_rows
from model.formats.source import open_source
from model.grouping import list_ids, number_days, place_by_group
from model.outputs import check_output_file
from model.progress import ROWS_AT_ONCE, track_step
from model.table import HALF_STAR, HALF_STARS, NO_YEAR, WHOLE_STARS, Ids, Ratings

SAMPLE_COLUMNS = ("customer_id", "rating", "rating_date", "movie_id", "release_year", "title")
"""The columns of the sample CSV."""

_ROWS_PER_WRITE = 1 << 16
_ROWS_PER_PART = 1 << 22


def read_ratings(path: Path) -> Ratings:
    """Read a data set; its format is recognised by content, not by name.

    Args:
        path: a file, a folder or a .zip/.tar.gz of the Netflix Prize's files, of the sample CSV (or another
            CSV that names its columns) or of MovieLens' files.

    Returns:
        The ratings in time order; of a rating given twice the later one. The catalogue holds all rated
        movies and those of the movie file found with the ratings; a CSV with titles is its own catalogue.
        The scale is whole stars unless any rating is a half.

    Raises:
        DataError: if no data set or more than one is found, or a line is broken; names file and line.
    """
    with open_source(path) as source:
        files = choose_rating_files(source)
        rows = read_rows(files.members, files.layout)
        facts = dict.fromkeys(list_ids(rows.movie_ids).tolist(), ("", NO_YEAR)) | rows.movies
        if not files.layout.has(Column.TITLE) and (movie_file := choose_movie_file(source, files)):
            facts |= read_movie_facts(*movie_file)
    if not len(rows.user_ids) or rows.half_stars is None or rows.days is None:
        raise DataError(f"{path}: no ratings in it; expected lines {files.layout.form}")
    columns = [rows.user_ids, rows.movie_ids, rows.half_stars, rows.days]
    user_ids, movie_ids, half_stars, days = _sort_by_time(columns, rows.days, rows.times)
    del rows, columns  # a hundred million rows are not held twice
    superseded = find_superseded(user_ids, movie_ids)
    if len(superseded):
        user_ids, movie_ids, half_stars, days = (
            np.delete(column, superseded) for column in (user_ids, movie_ids, half_stars, days)
        )
    return Ratings(
        user_ids=user_ids,
        movie_ids=movie_ids,
        stars=half_stars * np.float32(HALF_STAR),
        days=days,
        movies=build_catalogue(facts),
        scale=HALF_STARS if np.any(half_stars % 2) else WHOLE_STARS,
        n_duplicates=len(superseded),
        origin=files.layout.origin,
    )


def _sort_by_time(
    columns: Sequence[NDArray[Any]], days: Days, times: NDArray[np.int64] | None
) -> list[NDArray[Any]]:
    """Sort columns by day, and by the finer time where there is one; what is equal keeps its order.

    Args:
        columns: (n,) each.
        days: (n,) at least one.
        times: (n,) seconds of those days, or None.
    """
    groups, offsets = number_days(days)
    given = [*columns] if times is None else [*columns, times]
    ordered = [np.empty_like(column) for column in given]
    with track_step("sorting ratings", total=len(days), unit="ratings") as step:
        for rows, places in place_by_group(groups, offsets, step, worth=1.0 if times is None else 0.5):
            for column, target in zip(given, ordered, strict=True):
                target[places] = column[rows]
        if times is None:
            return ordered
        seconds = ordered.pop()
        starts = np.searchsorted(offsets, np.arange(0, len(days), ROWS_AT_ONCE))  # of blocks of whole days
        bounds = np.unique(offsets[[*starts, -1]]).tolist()
        for start, stop in itertools.pairwise(bounds):
            order = start + np.argsort(seconds[start:stop], kind="stable")
            for column in ordered:
                column[start:stop] = column[order]
            step.advance((stop - start) * 0.5)
    return ordered


def find_superseded(user_ids: Ids, movie_ids: Ids) -> NDArray[np.int64]:
    """Find the rows whose pair of user and movie occurs again further down.

    Args:
        user_ids: (n,) ids.
        movie_ids: (n,) ids.

    Returns:
        Their numbers, ascending.
    """
    n_keys = int(movie_ids.max(initial=0)) + 1
    if int(user_ids.max(initial=0)) >= MAX_ID // n_keys:
        user_ids = np.unique(user_ids, return_inverse=True)[1]
        movie_ids = np.unique(movie_ids, return_inverse=True)[1]
        n_keys = int(movie_ids.max(initial=0)) + 1
    # all rows of a user are in one part: each part is sorted by itself, near the processor
    n_parts = len(user_ids) // _ROWS_PER_PART + 1
    parts = (user_ids % n_parts).astype(np.uint16)
    found = [np.array([], dtype=np.int64)]
    with track_step("finding repeated ratings", total=len(user_ids), unit="ratings") as step:
        for part in range(n_parts):
            rows = np.flatnonzero(parts == part)
            keys = user_ids[rows].astype(np.int64) * n_keys + movie_ids[rows]
            ascending = np.sort(keys)
            # few pairs, if any, occur twice: only their rows are worth a slower look
            repeated = np.isin(keys, ascending[1:][ascending[1:] == ascending[:-1]])
            rows, repeated_keys = rows[repeated], keys[repeated]
            by_key = np.argsort(repeated_keys, kind="stable")
            again = repeated_keys[by_key[1:]] == repeated_keys[by_key[:-1]]
            found.append(rows[by_key[:-1][again]])
            step.advance(len(keys))
    return np.sort(np.concatenate(found))


def write_sample_csv(ratings: Ratings, path: Path) -> None:
    """Write ratings as the sample CSV, in their order.

    `read_ratings` reads the same ratings back. Movies without ratings are not in it, and the scale is read
    off the ratings. The file appears whole or not at all.

    Args:
        ratings: what to write.
        path: the file; replaced if it is there.

    Raises:
        ConfigError: if the file cannot be written.
        DataError: if a title has a line break.
    """
    check_output_file(path)
    endings = _format_endings(ratings)
    days = {day: format_day(day) for day in np.unique(ratings.days).tolist()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with (
            temporary.open("w", encoding="utf-8", newline="") as stream,
            track_step("writing", total=len(ratings), unit="ratings") as step,
        ):
            stream.write(",".join(SAMPLE_COLUMNS) + "\n")
            for start in range(0, len(ratings), _ROWS_PER_WRITE):
                rows = slice(start, start + _ROWS_PER_WRITE)
                columns = (
                    ratings.user_ids[rows],
                    ratings.stars[rows],
                    ratings.days[rows],
                    ratings.movie_ids[rows],
                )
                stream.writelines(
                    f"{user},{stars:g},{days[day]},{endings[movie]}"
                    for user, stars, day, movie in zip(*(column.tolist() for column in columns), strict=True)
                )
                step.advance(len(columns[0]))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _format_endings(ratings: Ratings) -> dict[int, str]:
    """Format what the lines of each rated movie end with: its id, release year and title."""
    rated = set(np.unique(ratings.movie_ids).tolist())
    endings = {}
    movies = ratings.movies
    for movie, title, year in zip(
        movies.movie_ids.tolist(), movies.titles, movies.release_years.tolist(), strict=True
    ):
        if movie not in rated:
            continue
        if "\n" in title or "\r" in title:
            raise DataError(f"movie {movie}: title {title!r} has a line break; expected a title of one line")
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([movie, "" if year == NO_YEAR else year, title])
        endings[movie] = line.getvalue()
    return endings
