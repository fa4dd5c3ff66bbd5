"""A history as a folder of plain arrays."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import Rated, World, all_pairs, ask, make_history, worlds
from hypothesis import HealthCheck, given, settings

from model.errors import ArtifactIncompatibleError, ArtifactMissingError
from model.history import History
from model.questions import Query
from model.store import ARRAYS, read_history, read_movies, write_history, write_titles
from model.table import HALF_STARS

TITLES = ("Amélie, or: the 2nd", "", "東京物語")


@pytest.fixture
def history() -> History:
    """Movies 10, 20 and 30 on half stars."""
    return make_history(
        [Rated(1, 10, 4.5), Rated(2, 30, 0.5, day=-3)], years={10: 2001, 20: 1960}, scale=HALF_STARS
    )


@pytest.fixture
def folder(history: History, tmp_path: Path) -> Path:
    """The folder to which that history is written."""
    write_history(tmp_path, history)
    write_titles(tmp_path, TITLES)
    return tmp_path


def test_read_history_gives_back_every_array_when_written(history: History, folder: Path) -> None:
    """Values, types and the scale survive."""
    stored = read_history(folder)
    assert stored.scale == HALF_STARS
    for name in ARRAYS:
        written, read = getattr(history, name), getattr(stored, name)
        np.testing.assert_array_equal(read, written)
        assert read.dtype == written.dtype


def test_write_history_writes_every_array_of_a_history(folder: Path) -> None:
    """No array field of a history is forgotten, and nothing is pickled."""
    assert set(ARRAYS) == set(History.__dataclass_fields__) - {"scale"}
    for path in folder.glob("*.npy"):
        assert np.load(path, allow_pickle=False).dtype != object


def test_read_history_maps_arrays_instead_of_reading_them(folder: Path) -> None:
    """The arrays share a read-only file mapping."""
    movies = read_history(folder).user_movies
    assert isinstance(movies.base, np.memmap)
    assert not movies.flags.writeable


def test_read_movies_gives_back_ids_years_and_titles_when_written(folder: Path) -> None:
    """Titles with commas, accents and other scripts, and none at all."""
    movies = read_movies(folder, read_history(folder))
    assert tuple(movies.titles) == TITLES
    assert movies.movie_ids.tolist() == [10, 20, 30]
    assert movies.release_years.tolist() == [2001, 1960, 0]


def test_read_movies_gives_empty_titles_when_source_had_none(history: History, tmp_path: Path) -> None:
    """A source without titles is stored like any other."""
    write_history(tmp_path, history)
    write_titles(tmp_path, ["", "", ""])
    assert list(read_movies(tmp_path, read_history(tmp_path)).titles) == ["", "", ""]


def test_store_holds_an_empty_history(tmp_path: Path) -> None:
    """No ratings and no movies are read as they were written."""
    write_history(tmp_path, make_history([]))
    write_titles(tmp_path, [])
    stored = read_history(tmp_path)
    assert (stored.n_users, stored.n_movies, stored.n_ratings) == (0, 0, 0)
    assert len(read_movies(tmp_path, stored)) == 0


@given(world=worlds())
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stored_history_answers_like_the_one_written(world: World, tmp_path: Path) -> None:
    """Features and neighbours do not tell a mapped history from the one in memory."""
    history = world.history()
    write_history(tmp_path, history)
    queries = [Query(user_id=user, movie_id=movie, as_of=102) for user, movie in all_pairs(world)]
    (_, first), (_, second) = ask(history, *queries), ask(read_history(tmp_path), *queries)
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.neighbours.users, second.neighbours.users)


@pytest.mark.parametrize("name", ["scale.json", *(f"{name}.npy" for name in ARRAYS)])
def test_read_history_refuses_when_a_file_is_missing(name: str, folder: Path) -> None:
    """The error names the file."""
    (folder / name).unlink()
    with pytest.raises(ArtifactMissingError, match=re.escape(f"{name} is missing")):
        read_history(folder)


@pytest.mark.parametrize("name", ["titles.npy", "title_offsets.npy"])
def test_read_movies_refuses_when_a_file_is_missing(name: str, folder: Path) -> None:
    """The error names the file."""
    stored = read_history(folder)
    (folder / name).unlink()
    with pytest.raises(ArtifactMissingError, match=re.escape(f"{name} is missing")):
        read_movies(folder, stored)


@pytest.mark.parametrize(
    "kept", [0, 5, 100, -1], ids=["empty", "in the magic", "in the header", "a byte short"]
)
def test_read_history_refuses_when_an_array_is_truncated(kept: int, folder: Path) -> None:
    """Wherever the file ends, the error names it."""
    path = folder / "user_movies.npy"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ArtifactIncompatibleError, match=r"user_movies\.npy is not the array that was written"
    ):
        read_history(folder)


def test_read_history_refuses_when_an_array_is_a_pickle(folder: Path) -> None:
    """Objects are never loaded."""
    np.save(folder / "user_codes.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactIncompatibleError, match=r"user_codes\.npy"):
        read_history(folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 5, 1]", json.dumps({"low": 1}), json.dumps({"low": 1, "high": 5, "step": 1, "more": 2})],
)
def test_read_history_refuses_when_the_scale_is_another_thing(text: str, folder: Path) -> None:
    """No JSON, no object, a part missing, a part too many: the error names the file."""
    (folder / "scale.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactIncompatibleError, match=r"scale\.json does not hold a rating scale"):
        read_history(folder)


def test_read_movies_refuses_when_titles_are_not_text(folder: Path) -> None:
    """Bytes that are no UTF-8 were not written here: the error names the file."""
    path = folder / "titles.npy"
    np.save(path, np.full(len(np.load(path)), 0xFF, dtype=np.uint8))
    with pytest.raises(ArtifactIncompatibleError, match="titles"):
        read_movies(folder, read_history(folder))
