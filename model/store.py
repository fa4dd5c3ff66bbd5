"""A history, and the titles of its catalogue, as plain arrays that can be memory-mapped; no pickle."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ArtifactIncompatibleError, ArtifactMissingError
from model.history import History
from model.progress import MEGABYTE, ROWS_AT_ONCE, Step, track_step
from model.table import Movies, RatingScale

ARRAYS = (
    "user_ids", "movie_ids", "release_years",
    "user_offsets", "user_movies", "user_codes", "user_days",
    "movie_offsets", "movie_users", "movie_codes", "movie_days", "movie_histogram",
)  # fmt: skip
_SCALE_FILE = "scale.json"
_TITLES = "titles"
_TITLE_OFFSETS = "title_offsets"


def write_history(folder: Path, history: History) -> None:
    """Write a history.

    Args:
        folder: an existing folder; one file an array.
        history: what to write.
    """
    arrays = {name: getattr(history, name) for name in ARRAYS}
    total = sum(array.nbytes for array in arrays.values())
    with track_step("writing arrays", total=total / MEGABYTE, unit="MB") as step:
        for name, array in arrays.items():
            _save(folder / f"{name}.npy", array, step)
    scale = {"low": history.scale.low, "high": history.scale.high, "step": history.scale.step}
    (folder / _SCALE_FILE).write_text(json.dumps(scale) + "\n", encoding="utf-8")


def write_titles(folder: Path, titles: Sequence[str]) -> None:
    """Write the titles of a catalogue.

    Args:
        folder: where its history is written.
        titles: (n_movies,) in the order of the catalogue.
    """
    encoded = [title.encode() for title in titles]
    np.save(folder / f"{_TITLES}.npy", np.frombuffer(b"".join(encoded), dtype=np.uint8), allow_pickle=False)
    ends = np.cumsum([0, *(len(title) for title in encoded)], dtype=np.int64)
    np.save(folder / f"{_TITLE_OFFSETS}.npy", ends, allow_pickle=False)


def read_history(folder: Path) -> History:
    """Map a history that `write_history` wrote; nothing is read until it is used.

    Raises:
        ArtifactMissingError: if a file is not there.
        ArtifactIncompatibleError: if a file is not what was written.
    """
    try:
        scale = RatingScale(**json.loads((folder / _SCALE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ArtifactMissingError(f"{folder / _SCALE_FILE} is missing") from error
    except (ValueError, TypeError) as error:
        raise ArtifactIncompatibleError(
            f"{folder / _SCALE_FILE} does not hold a rating scale: {error}"
        ) from error
    arrays: dict[str, Any] = {name: _map(folder, name) for name in ARRAYS}
    return History(scale=scale, **arrays)


def read_movies(folder: Path, history: History) -> Movies:
    """Read the catalogue with its titles.

    Args:
        folder: what `write_history` and `write_titles` wrote to.
        history: the history from the same folder.

    Raises:
        ArtifactMissingError: if a file is not there.
        ArtifactIncompatibleError: if a file is not what was written.
    """
    text, ends = _map(folder, _TITLES).tobytes(), _map(folder, _TITLE_OFFSETS)
    try:
        titles = [text[start:stop].decode() for start, stop in itertools.pairwise(ends)]
    except UnicodeDecodeError as error:
        raise ArtifactIncompatibleError(f"{folder / _TITLES}.npy does not hold titles: {error}") from error
    return Movies(history.movie_ids, titles, history.release_years)


def _save(path: Path, array: NDArray[Any], step: Step) -> None:
    """Write an array as `np.save` does, a block at a time."""
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        for start in range(0, len(array), ROWS_AT_ONCE):
            block = array[start : start + ROWS_AT_ONCE]
            block.tofile(stream)
            step.advance(block.nbytes / MEGABYTE)


def _map(folder: Path, name: str) -> NDArray[np.generic]:
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise ArtifactMissingError(f"{path} is missing") from error
    except (ValueError, EOFError) as error:
        raise ArtifactIncompatibleError(f"{path} is not the array that was written: {error}") from error
    # a plain array over the same mapping: np.memmap's own methods are slower
    return np.asarray(array)
