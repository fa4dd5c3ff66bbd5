"""Folders that appear whole or not at all: each step at which a process can be killed is tried."""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_run import list_folder

from model import folders
from model.folders import discard_folder, replace_folder, staged_folder

FILE_STEPS = ("open", "os.", "shutil.", "tempfile.", "ctypes.", "fcntl.")
"""Audit events that go with touching files, by how they start."""


def write(path: Path, text: str) -> None:
    """Write a folder of two files that tell which writing they are from."""
    with staged_folder(path) as staged:
        (staged / "first").write_text(text)
        (staged / "second").write_text(text)
        replace_folder(staged, path)


def read(path: Path) -> set[str]:
    """The distinct texts in a folder's files; one where it is whole."""
    assert list_folder(path) == ["first", "second"]
    return {(path / name).read_text() for name in ("first", "second")}


def run_killed(work: Callable[[], None], *, step: int) -> bool:
    """Run something in a process of its own that is killed before one of its file operations.

    Args:
        work: what is run.
        step: the operation's place, from 0.

    Returns:
        Whether it was killed; False where it has fewer operations.
    """
    process = os.fork()
    if process == 0:
        left = step

        def kill(event: str, _arguments: object) -> None:
            nonlocal left
            if event.startswith(FILE_STEPS):
                left -= 1
                if left == -1:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(kill)
            work()
            os._exit(0)
        finally:
            # reached by an exception alone: it must not go on into a second copy of the test run
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(process, 0)
    assert status in {0, signal.SIGKILL}
    return status == signal.SIGKILL


def no_exchange(_one: Path, _other: Path) -> bool:
    """A system that cannot exchange two names."""
    return False


def test_folder_is_the_old_or_the_new_one_when_its_writer_is_killed_at_any_step(tmp_path: Path) -> None:
    """Whole either way; the next writing succeeds and leaves nothing else behind."""
    path = tmp_path / "folder"
    if not folders._exchange(*(Path(shutil.copytree(tmp_path, tmp_path / name)) for name in "ab")):
        pytest.skip("this file system cannot exchange two names")
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    write(path, "old")
    found: list[str] = []
    step = 0
    while run_killed(lambda: write(path, "new"), step=step):
        [text] = read(path)
        found.append(text)
        step += 1
        write(path, "old")
        assert list_folder(tmp_path) == ["folder"], f"after step {step}"
    assert found == sorted(found, reverse=True)  # old until it is new
    assert found.count("old") > 8
    assert found.count("new") > 2


def test_folder_is_whole_or_absent_when_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two renames are needed, a kill between them leaves none, never a part of one."""
    monkeypatch.setattr(folders, "_exchange", no_exchange)
    path = tmp_path / "folder"
    write(path, "old")
    n_absent = step = 0
    while run_killed(lambda: write(path, "new"), step=step):
        if path.exists():
            assert len(read(path)) == 1
        else:
            n_absent += 1
        step += 1
        write(path, "old")
        assert read(path) == {"old"}
        assert list_folder(tmp_path) == ["folder"]
    assert n_absent == 1


def test_staged_folder_of_a_living_process_stays_when_another_writes(tmp_path: Path) -> None:
    """Two may write the same folder at once; neither removes the other's, and the last one wins."""
    path = tmp_path / "folder"
    with staged_folder(path) as slow:
        write(path, "quick")
        (slow / "first").write_text("slow")
        (slow / "second").write_text("slow")
        replace_folder(slow, path)
    assert read(path) == {"slow"}
    assert list_folder(tmp_path) == ["folder"]


def test_staged_folders_of_other_paths_stay_when_they_are_abandoned(tmp_path: Path) -> None:
    """Only what has exactly this folder's hidden name is garbage; a file of that name is nobody's folder."""
    for name in (".folder-old-unfinished-abcdefgh", ".folder-unfinished-abc", ".folder-notes", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / ".folder-unfinished-abcdefgh").mkdir()
    others = {*list_folder(tmp_path)} - {".folder-unfinished-abcdefgh"}
    write(tmp_path / "folder", "new")
    assert {*list_folder(tmp_path)} == {*others, "folder"}


def test_staged_folder_is_removed_when_filling_it_fails(tmp_path: Path) -> None:
    """Nothing is left of it, and what was there stays."""
    path = tmp_path / "folder"
    write(path, "old")

    def fail() -> None:
        with staged_folder(path) as staged:
            (staged / "first").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read(path) == {"old"}
    assert list_folder(tmp_path) == ["folder"]


@pytest.mark.parametrize("exchange", [folders._exchange, no_exchange])
def test_replace_folder_keeps_the_old_one_when_the_new_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: Callable[[Path, Path], bool]
) -> None:
    """The name never goes without its folder: what cannot be replaced stays."""
    monkeypatch.setattr(folders, "_exchange", exchange)
    old = tmp_path / "folder"
    write(old, "old")
    with pytest.raises(OSError, match="nowhere"):
        replace_folder(tmp_path / "nowhere", old)
    assert read(old) == {"old"}


def test_replace_folder_replaces_a_link_when_the_path_is_one(tmp_path: Path) -> None:
    """The folder that it named is left alone."""
    write(tmp_path / "elsewhere", "old")
    (tmp_path / "folder").symlink_to("elsewhere")
    write(tmp_path / "folder", "new")
    assert read(tmp_path / "folder") == {"new"}
    assert read(tmp_path / "elsewhere") == {"old"}
    assert list_folder(tmp_path) == ["elsewhere", "folder"]


def test_discarded_folder_is_whole_or_gone_when_its_owner_is_killed_at_any_step(tmp_path: Path) -> None:
    """What resumes from a folder never finds half of it; discarding it again leaves nothing."""
    path = tmp_path / "folder"
    write(path, "old")
    found: list[bool] = []
    while run_killed(lambda: discard_folder(path), step=len(found)):
        found.append(path.exists())
        if path.exists():
            assert read(path) == {"old"}
        else:
            write(path, "old")
    assert set(found) == {True, False}
    assert list_folder(tmp_path) == []
