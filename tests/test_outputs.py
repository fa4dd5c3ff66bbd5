"""What cannot be written is refused by name, and what can be is left untouched."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.outputs import check_output_file, check_output_folder

NO_FILES = Path("/proc")
"""A folder in which nobody can make a file, whatever their permissions."""


def test_check_output_file_passes_when_the_file_can_be_written(tmp_path: Path) -> None:
    """A new file and one that is there are fine; neither is made or changed."""
    there = tmp_path / "there.csv"
    there.write_text("old", "utf-8")
    check_output_file(there)
    check_output_file(tmp_path / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert there.read_text("utf-8") == "old"


def test_check_output_file_refuses_when_it_cannot_be_written(tmp_path: Path) -> None:
    """A folder, a file in a folder that is not there, and one where no file can be made."""
    for path in (tmp_path, tmp_path / "gone" / "out.csv"):
        with pytest.raises(ConfigError, match=f"{path}: cannot be written; expected a file in a folder"):
            check_output_file(path)
    with pytest.raises(ConfigError, match=r"/proc/out.csv: cannot be written \(/proc: No such file"):
        check_output_file(NO_FILES / "out.csv")


def test_check_output_folder_passes_when_its_parents_are_missing(tmp_path: Path) -> None:
    """They can be made later, and are not made now."""
    check_output_folder(tmp_path / "runs" / "mine")
    assert list(tmp_path.iterdir()) == []


def test_check_output_folder_refuses_when_it_cannot_be_made(tmp_path: Path) -> None:
    """Below a file, and where no file can be made."""
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    with pytest.raises(ConfigError, match=rf"{file}/run: cannot be written \({file}: Not a directory"):
        check_output_folder(file / "run")
    with pytest.raises(ConfigError, match=r"/proc/runs/mine: cannot be written \(/proc: No such file"):
        check_output_folder(NO_FILES / "runs" / "mine")
