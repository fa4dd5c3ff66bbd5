"""Large data sets are read from text once, and from then on from arrays on disk.

The arrays are those of a history, 14 bytes a rating both ways; `open_store` maps them in milliseconds. A
store belongs to the names, sizes and modification times of its source's files, and it appears whole or not at
all. Whoever reads all ratings from it has every byte checked first; one that is damaged is written anew.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.checksums import LARGE_FILE, hash_file, hash_manifest, hash_samples
from model.errors import ArtifactError, ArtifactIncompatibleError, ArtifactMissingError
from model.folders import discard_folder, replace_folder, staged_folder
from model.grouping import number_days, place_by_group
from model.history import History, build_history
from model.progress import MEGABYTE, track_step
from model.ratings import read_ratings
from model.store import read_history, read_movies, write_history, write_titles
from model.table import HALF_STAR, Ids, Movies, Origin, Ratings

SMALLEST = 5_000_000
"""Data sets with fewer ratings are read from text every time: that takes a second or two."""
FACTS = "facts.json"
_VERSION = 4


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """A data set as it was kept."""

    history: History
    """All ratings; mapped, not read."""
    movies: Movies
    """The catalogue."""
    n_duplicates: int
    """How many ratings were given twice."""
    origin: Origin
    """Whose form the source's files had."""


def read_ratings_once(path: Path, cache: Path, *, say: Callable[[str], None]) -> Ratings:
    """Read a data set, from the cache where it has been read before.

    From the cache, ratings of one day come user by user; each user's own keep their order. First every byte
    of it is checked: a second for the 1.4 GB of a hundred million ratings.

    Args:
        path: as for `model.ratings.read_ratings`.
        cache: the folder of all stores; made when it is needed.
        say: told what happens.

    Raises:
        DataError: as `model.ratings.read_ratings` does.
    """
    store = cache / _identify(path)
    if store.exists():
        try:
            stored = open_store(store, every_byte=True)
        except ArtifactError as error:
            say(f"{store} is damaged and will be written anew: {error}")
            discard_folder(store)
        else:
            say(f"reading {stored.history.n_ratings:,} ratings from {store}")
            return _list_ratings(stored)
    ratings = read_ratings(path)
    if len(ratings) >= SMALLEST:
        say(f"keeping {len(ratings):,} ratings as arrays in {store}")
        history = build_history(ratings)
        write_store(store, Store(history, ratings.movies, ratings.n_duplicates, ratings.origin))
    return ratings


def write_store(store: Path, kept: Store) -> None:
    """Write a store: there whole afterwards, or not at all.

    Args:
        store: its folder.
        kept: what to write.
    """
    with staged_folder(store) as staged:
        write_history(staged, kept.history)
        write_titles(staged, kept.movies.titles)
        files = sorted(staged.iterdir())
        facts = {
            "version": _VERSION,
            "n_duplicates": kept.n_duplicates,
            "origin": kept.origin.name,
            "files": {file.name: hash_file(file) for file in files},
            "samples": {file.name: hash_samples(file) for file in files if file.stat().st_size >= LARGE_FILE},
        }
        facts["digest"] = hash_manifest(facts)
        (staged / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        replace_folder(staged, store)


def open_store(store: Path, *, every_byte: bool = False) -> Store:
    """Map a store.

    Args:
        store: its folder.
        every_byte: whether to check large files whole; if not, by samples, which a change of a few bytes may
            lie between (`model.checksums.hash_samples`).

    Raises:
        ArtifactMissingError: if a file is missing.
        ArtifactIncompatibleError: if a file is damaged.
    """
    facts = _read_facts(store / FACTS)
    total = sum((store / name).stat().st_size for name in facts["files"] if (store / name).is_file())
    with track_step("checking arrays", total=total / MEGABYTE, unit="MB") as step:
        for name, expected in facts["files"].items():
            path = store / name
            if not path.is_file():
                raise ArtifactMissingError(f"{path} is missing")
            sampled = None if every_byte else facts["samples"].get(name)
            same = hash_file(path) == expected if sampled is None else hash_samples(path) == sampled
            if not same:
                raise ArtifactIncompatibleError(f"{path} is not the file that was written")
            step.advance(path.stat().st_size / MEGABYTE)
    history = read_history(store)
    movies = read_movies(store, history)
    return Store(history, movies, facts["n_duplicates"], Origin[facts["origin"]])


def _read_facts(path: Path) -> dict[str, Any]:
    """What a store says of itself.

    Raises:
        ArtifactMissingError: if the file is missing.
        ArtifactIncompatibleError: if it is damaged.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = facts["digest"] == hash_manifest(facts)
    except FileNotFoundError as error:
        raise ArtifactMissingError(f"{path} is missing") from error
    except (IsADirectoryError, NotADirectoryError, ValueError, KeyError, TypeError) as error:
        raise ArtifactIncompatibleError(f"{path} is damaged: {error!r}") from error
    if not same:
        raise ArtifactIncompatibleError(f"{path} is not the file that was written")
    return facts


def _identify(path: Path) -> str:
    """Name the store of a source: another if any of its files has changed."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256(b"%d" % _VERSION)
    for file in files:
        if file.exists():
            facts = file.stat()
            digest.update(f"{file.resolve()}\n{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _list_ratings(stored: Store) -> Ratings:
    """The table of a store's ratings, in time order."""
    history = stored.history
    ids_fit = max(history.user_ids[-1], history.movie_ids[-1]) <= np.iinfo(np.int32).max
    id_type: type[np.int32 | np.int64] = np.int32 if ids_fit else np.int64
    known_users: Ids = history.user_ids.astype(id_type)
    known_movies: Ids = history.movie_ids.astype(id_type)
    n = history.n_ratings
    user_ids, movie_ids = np.empty(n, dtype=id_type), np.empty(n, dtype=id_type)
    stars, days = np.empty(n, dtype=np.float32), np.empty_like(history.user_days)
    row_users = np.repeat(known_users, np.diff(history.user_offsets))
    with track_step("reading arrays", total=n, unit="ratings") as step:
        for rows, at in place_by_group(*number_days(history.user_days), step):
            user_ids[at], movie_ids[at] = row_users[rows], known_movies[history.user_movies[rows]]
            stars[at], days[at] = history.user_codes[rows] * np.float32(HALF_STAR), history.user_days[rows]
    return Ratings(
        user_ids=user_ids,
        movie_ids=movie_ids,
        stars=stars,
        days=days,
        movies=stored.movies,
        scale=history.scale,
        n_duplicates=stored.n_duplicates,
        origin=stored.origin,
    )
