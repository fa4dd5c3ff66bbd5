"""Folders that appear whole or not at all, whenever the process that writes them is stopped or killed.

A folder is filled under a hidden name beside the one it will have, and takes that name in one step. What a
killed process leaves under a hidden name is removed by the next one that writes the same folder.
"""

import ctypes
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NOT_OFFERED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
"""What a kernel or file system says that cannot exchange two names."""


@contextmanager
def staged_folder(path: Path) -> Generator[Path, None, None]:
    """Make a hidden folder beside `path`, to be filled and handed to `replace_folder`.

    It is removed at the end, unless it has become `path`; so are those of processes that were killed.

    Args:
        path: the folder to be; missing parents are made.

    Yields:
        An empty folder on the same file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    folder, lock = _make_locked(path)
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def replace_folder(new: Path, path: Path) -> None:
    """Put a finished folder in place of the one at `path`; that one, if any, is left at `new`, to be removed.

    Where Linux and the file system can exchange two names, whoever looks at `path` sees the old folder or the
    new one at any moment. Elsewhere there is an instant between two renames in which it sees neither.

    Args:
        new: the finished folder, on the same file system.
        path: where it goes.
    """
    if not path.exists():
        new.replace(path)
        return
    if _exchange(new, path):
        return
    retired = new.with_name(f"{new.name}.retired")
    _remove(retired)  # of a process that was killed here
    path.replace(retired)
    try:
        new.replace(path)
    except BaseException:
        # Ctrl-C included: whichever way this ends, one of the two is in place
        if not path.exists():
            retired.replace(path)
        raise
    retired.replace(new)


def discard_folder(folder: Path) -> None:
    """Remove a folder: under its name it is whole or gone, also where the process is killed meanwhile.

    Args:
        folder: one that is there, or whatever else is in its place.
    """
    doomed = folder.with_name(f"{folder.name}.doomed")
    _remove(doomed)  # of a process that was killed here
    folder.replace(doomed)
    _remove(doomed)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where that cannot be had."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_OFFERED:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _make_locked(path: Path) -> tuple[Path, int]:
    """Make a staged folder and lock it; the lock ends with the process, however that ends."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-unfinished-", dir=path.parent))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process took it for an abandoned one before it was locked
        # a file system without locks will do: there, no process can lock what another one made
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)


def _remove_abandoned(path: Path) -> None:
    """Remove the staged folders for `path` whose processes have ended."""
    staged = re.compile(rf"\.{re.escape(path.name)}-unfinished-[a-z0-9_]{{8}}(\.retired)?")
    for folder in [entry for entry in path.parent.iterdir() if staged.fullmatch(entry.name)]:
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its owner has just removed it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # its owner is at work, or this file system cannot tell: it stays
        else:
            _remove(folder)
        finally:
            os.close(lock)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()  # what was found in a folder's place: a link to one, or no folder at all
    else:
        shutil.rmtree(folder, ignore_errors=True)
