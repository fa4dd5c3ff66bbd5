"""Reading, indexing, keeping and opening: what is counted. Never how fast anything is."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reading import measure_reading
from model.cache import open_store
from model.ratings import write_sample_csv
from model.table import Ratings


@pytest.fixture
def csv_path(tiny_ratings: Ratings, tmp_path: Path) -> Path:
    """The made-up ratings as a file."""
    path = tmp_path / "ratings.csv"
    write_sample_csv(tiny_ratings, path)
    return path


def test_measure_reading_counts_what_is_in_the_file(csv_path: Path, tmp_path: Path) -> None:
    """Rows, bytes, and the memory of the process that reads, whatever this one held before it."""
    assert np.ones(50_000_000).sum() == 50_000_000  # 400 MB
    report = measure_reading(csv_path, tmp_path / "store")
    assert (report["ratings"], report["bytes"]) == (1_200, csv_path.stat().st_size)
    assert min(report[name] for name in ("read_s", "index_s", "keep_s", "open_s", "check_s", "raw_s")) > 0
    assert 20 < report["peak_mb"] < 300


def test_measure_reading_keeps_a_store_when_done(csv_path: Path, tmp_path: Path) -> None:
    """It can be opened, and holds all of it."""
    measure_reading(csv_path, tmp_path / "store")
    assert open_store(tmp_path / "store").history.n_ratings == 1_200


def test_measure_reading_adds_the_files_of_a_folder_up(csv_path: Path, tmp_path: Path) -> None:
    """A folder's bytes are those of all files in it; an archive's are its own."""
    archive = tmp_path / "data" / "ratings.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as stream:
        stream.write(csv_path, "ratings.csv")
    assert measure_reading(archive, tmp_path / "store")["bytes"] == archive.stat().st_size
    csv_path.rename(archive.parent / "ratings.csv")
    archive.unlink()
    (archive.parent / "notes.md").write_bytes(b"four")
    both = 4 + (archive.parent / "ratings.csv").stat().st_size
    assert measure_reading(archive.parent, tmp_path / "store")["bytes"] == both


def test_measure_reading_takes_relative_paths_when_started_elsewhere(
    csv_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They belong to the current folder, not to the one that the other process starts in."""
    monkeypatch.chdir(csv_path.parent)
    assert measure_reading(Path(csv_path.name), Path("store"))["ratings"] == 1_200
    assert (csv_path.parent / "store").is_dir()
