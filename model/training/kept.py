"""What an interrupted run has kept, whole or not at all whatever stops the program, and how long it took."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

EARLIER_SECONDS: Final = "earlier_seconds.txt"


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file: whole afterwards, or as it was before, if the program or the machine stops meanwhile.

    Args:
        path: the file, replaced where it is there.
        write: writes its content.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as stream:
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)


def write_kept(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays, to be read by `read_kept`.

    Args:
        path: the file, replaced where it is there.
        arrays: by name.
    """
    write_whole(path, lambda stream: np.savez(stream, **arrays))


def read_kept(path: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Read arrays that `write_kept` wrote.

    Args:
        path: the file.
        say: told where it is damaged.

    Returns:
        The arrays by name; None where there are none, or damaged ones: then they must be made anew.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return dict(stored)
    except FileNotFoundError:
        return None
    # what the archive's reader meets in changed bytes: each array has its checksum there
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        say(f"{path} is damaged and will be made anew: {error}")
        return None


def begin_attempt(work: Path) -> float:
    """Note in a run's work folder that an attempt at it begins, and count what earlier ones took.

    An interrupted attempt counts up to the last time that it kept something: what it did after that is lost,
    and when it was stopped nobody knows.

    Args:
        work: the folder; nothing is in it yet where this is the first attempt.

    Returns:
        The seconds of all interrupted attempts.
    """
    # it holds the seconds before the attempt, and its own time is that of the attempt's beginning
    note = work / EARLIER_SECONDS
    seconds = 0.0
    if note.exists():
        last = max(path.stat().st_mtime for path in work.rglob("*"))
        seconds = float(note.read_text(encoding="utf-8")) + last - note.stat().st_mtime
    write_whole(note, lambda stream: stream.write(f"{seconds}".encode()))
    return seconds
