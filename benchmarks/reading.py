"""Reading and indexing ratings, keeping them as arrays and opening these again: time and memory.

`python -m benchmarks.reading DATA STORE` does it and writes what it took, as JSON, to standard output, so
that the memory is that of a process which does nothing else.
"""

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.apart import read_peak_memory, run_apart
from model.cache import Store, open_store, write_store
from model.history import build_history
from model.ratings import read_ratings

_BLOCK = 1 << 24
"""Bytes read at once where only bytes are read."""


def measure_reading(path: Path, store: Path) -> dict[str, float]:
    """Time reading and indexing from text, keeping and opening again, beside reading the bytes alone.

    Args:
        path: ratings: a file, folder or archive.
        store: where the arrays go; they stay there.

    Raises:
        RatingModelError: if the process that does it fails.
    """
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    started = time.perf_counter()
    n_bytes = sum(_count_bytes(file) for file in files)
    raw = time.perf_counter() - started
    figures = run_apart(["-m", "benchmarks.reading", str(path.resolve()), str(store.resolve())])
    return {**figures, "bytes": float(n_bytes), "raw_s": raw}


def read_and_keep(path: Path, store: Path) -> dict[str, Any]:
    """Do what is measured, in this process.

    Args:
        path: ratings: a file, folder or archive.
        store: where the arrays go.

    Returns:
        How many ratings, the seconds of each step, and the most memory until the arrays are kept, megabytes.
    """
    times = [time.perf_counter()]
    ratings = read_ratings(path)
    times.append(time.perf_counter())
    history = build_history(ratings)
    times.append(time.perf_counter())
    write_store(store, Store(history, ratings.movies, ratings.n_duplicates, ratings.origin))
    peak = read_peak_memory()  # what is mapped from here on would count too
    times.append(time.perf_counter())
    open_store(store)
    times.append(time.perf_counter())
    open_store(store, every_byte=True)  # as training does
    times.append(time.perf_counter())
    names = ("read_s", "index_s", "keep_s", "open_s", "check_s")
    seconds = [after - before for before, after in itertools.pairwise(times)]
    return {"ratings": len(ratings), **dict(zip(names, seconds, strict=True)), "peak_mb": peak}


def _count_bytes(file: Path) -> int:
    n_bytes = 0
    with file.open("rb") as stream:
        while chunk := stream.read(_BLOCK):
            n_bytes += len(chunk)
    return n_bytes


if __name__ == "__main__":
    print(json.dumps(read_and_keep(Path(sys.argv[1]), Path(sys.argv[2]))))
