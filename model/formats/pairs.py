"""Pairs of user and movie to predict: a CSV, any rating file, or the Prize's probe and qualifying files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.dates import Days
from model.errors import DataError
from model.formats.choice import choose_rating_files
from model.formats.layout import Column
from model.formats.rows import read_rows
from model.formats.source import open_source
from model.table import HALF_STAR, Ids


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of user and movie, in the order of the source, repeated ones included."""

    user_ids: Ids
    """(n,) the data set's ids."""
    movie_ids: Ids
    """(n,) the data set's ids."""
    days: Days | None
    """(n,) days since 1970-01-01; None where the source gives none."""
    stars: NDArray[np.float32] | None
    """(n,) the ratings known, stars; None where the source gives none."""
    is_prize_query: bool
    """Whether the source is in the form of the Prize's probe or qualifying file, to be answered in the form
    of a submission: a line `movie:`, then one prediction a line."""

    def __len__(self) -> int:
        return len(self.user_ids)


def read_pairs(path: Path) -> Pairs:
    """Read the pairs of a file.

    Args:
        path: a CSV that names its columns `user_id,movie_id[,date][,rating]`, the Prize's `probe.txt` or
            `qualifying.txt`, or whatever `read_ratings` takes.

    Returns:
        The pairs, none left out and in their order.

    Raises:
        DataError: if nothing fitting is found, or a line is broken; names file and line.
    """
    with open_source(path) as source:
        files = choose_rating_files(source, needs_rating=False)
        rows = read_rows(files.members, files.layout.without_movie_facts())
    if not len(rows.user_ids):
        raise DataError(f"{path}: no pairs in it; expected lines {files.layout.form}")
    return Pairs(
        user_ids=rows.user_ids.astype(np.int64),
        movie_ids=rows.movie_ids.astype(np.int64),
        days=rows.days,
        stars=None if rows.half_stars is None else rows.half_stars * np.float32(HALF_STAR),
        is_prize_query=files.layout.is_grouped and not files.layout.has(Column.RATING),
    )
