"""What is kept of an interrupted run: whole or absent, and noticed where it is damaged."""

from pathlib import Path
from typing import IO

import numpy as np
import pytest
from tiny_run import list_folder

from model.training.kept import read_kept, write_kept, write_whole


def test_arrays_are_as_written_when_read(tmp_path: Path) -> None:
    """Values, types and shapes, a text's too; None where there is no file."""
    path = tmp_path / "arrays.npz"
    assert read_kept(path, pytest.fail) is None
    written = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array("text"), "c": np.array(7)}
    write_kept(path, written)
    arrays = read_kept(path, pytest.fail)
    assert arrays is not None
    assert list(arrays) == ["a", "b", "c"]
    for name, array in written.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)


@pytest.mark.parametrize("damage", ["changed", "truncated", "empty", "text", "folder"])
def test_arrays_count_as_none_when_they_are_damaged(tmp_path: Path, damage: str) -> None:
    """The file is named, so that whoever waits knows why it takes long again."""
    path = tmp_path / "arrays.npz"
    write_kept(path, {"a": np.arange(1_000)})
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        changed = data[:4_000] + bytes([data[4_000] ^ 1]) + data[4_001:]
        path.write_bytes(
            {"changed": changed, "truncated": data[:-30], "empty": b"", "text": b"not arrays"}[damage]
        )
    told: list[str] = []
    assert read_kept(path, told.append) is None
    [line] = told
    assert line.startswith(f"{path} is damaged and will be made anew: ")


def test_file_stays_as_it_was_when_writing_is_interrupted(tmp_path: Path) -> None:
    """The old content is there until the new one is whole; the next writing succeeds."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupt(stream: IO[bytes]) -> None:
        stream.write(b"ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupt)
    assert path.read_bytes() == b"old"
    write_whole(path, lambda stream: stream.write(b"new"))
    assert path.read_bytes() == b"new"
    assert list_folder(tmp_path) == ["file"]
