"""A path as a set of named byte streams: a file, the files of a folder, or the members of an archive.

Archives are never unpacked into folders: members are streamed, so no name in them can reach outside.
"""

import gzip
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from model.errors import DataError
from model.suggestions import suggest_path

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_MAGIC = b"\x1f\x8b"
_COPY_BYTES = 1 << 20
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a source."""

    label: str
    """Its name in messages: a path, or `archive!member`."""
    path: PurePosixPath
    """Its path within the source."""
    opener: Callable[[], IO[bytes]]
    """Opens it for reading."""
    n_bytes: int | None = None
    """How large it is; None where only reading it to its end would tell."""

    @contextmanager
    def open(self) -> Generator[IO[bytes], None, None]:
        """Open it for reading.

        Yields:
            The stream of its bytes.

        Raises:
            DataError: if the archive it is in proves to be damaged.
        """
        try:
            with self.opener() as stream:
                yield stream
        except _DAMAGE as error:
            raise DataError(
                f"{self.label}: damaged or truncated ({error}); expected a whole archive"
            ) from error
        except NotImplementedError as error:  # zipfile, for a way of compressing it does not know
            raise DataError(f"{self.label}: {error}; expected an ordinary zip or a .tar.gz") from error

    def read_head(self, n_bytes: int) -> bytes:
        """Read up to `n_bytes` from its start."""
        with self.open() as stream:
            return stream.read(n_bytes)

    @property
    def numeric_key(self) -> list[str | int]:
        """Orders names with numbers by the numbers: part_2 before part_10."""
        return [
            int(part) if odd % 2 else part
            for odd, part in enumerate(re.split(r"([0-9]+)", self.path.as_posix()))
        ]


@dataclass(frozen=True, slots=True)
class Source:
    """The files at a path."""

    label: str
    """The path, for messages."""
    members: list[Member]
    """The files: one, those of a folder, or those of an archive; by name, numbers in it by value."""
    neighbours: list[Member]
    """The other files of the folder, where the path is a single file."""
    open_inner: Callable[[Member], list[Member]]
    """The members of a member that is a tar, as in the Prize's own download; none for other members."""


@contextmanager
def open_source(path: Path) -> Generator[Source, None, None]:
    """Open a file, a folder or an archive; its members can be read while the context lasts.

    Args:
        path: a file, a folder, or a .zip, .tar, .tar.gz or .gz, recognised by content.

    Yields:
        The files found there.

    Raises:
        DataError: if it is missing, empty, damaged or encrypted, or an archive with links or with paths that
            lead outside it.
    """
    with ExitStack() as stack:

        def open_inner(member: Member) -> list[Member]:
            if not _is_tar(member.read_head(tarfile.BLOCKSIZE)):
                return []
            with member.open() as stream:
                return _tar_members(member.label, stack.enter_context(_spool(stream)), stack)

        neighbours: list[Member] = []
        if path.is_dir():
            members = _folder_members(path)
        elif path.is_file():
            members = _file_members(path, stack)
            if [member.label for member in members] == [str(path)]:
                neighbours = [
                    _file_member(p) for p in sorted(path.parent.iterdir()) if _is_readable(p) and p != path
                ]
        else:
            problem = "not a" if path.exists() else "no such"
            raise DataError(f"{path}: {problem} file, folder or archive of ratings{suggest_path(path)}")
        members.sort(key=lambda member: member.numeric_key)
        yield Source(label=str(path), members=members, neighbours=neighbours, open_inner=open_inner)


def _file_members(path: Path, stack: ExitStack) -> list[Member]:
    """List the members of an archive, or the one of a plain file."""
    single = _file_member(path)
    head = single.read_head(tarfile.BLOCKSIZE)
    if not head:
        raise DataError(f"{path}: empty file")
    if head.startswith(_ZIP_MAGIC):
        return _zip_members(path, stack)
    if head.startswith(_GZIP_MAGIC):
        inside = Member(str(path), PurePosixPath(path.stem), partial(_open_gzip, path))
        if not _is_tar(inside.read_head(tarfile.BLOCKSIZE)):
            return [inside]
        with inside.open() as stream:
            # Members are read in numeric order; seeking within a gzip stream would start it over each time.
            return _tar_members(str(path), stack.enter_context(_spool(stream)), stack)
    if _is_tar(head):
        return _tar_members(str(path), stack.enter_context(path.open("rb")), stack)
    return [single]


def _is_readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _open_path(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_gzip(path: Path) -> IO[bytes]:
    # Read as often as wanted, from the start each time.
    return gzip.GzipFile(path)  # type: ignore[return-value]


def _file_member(path: Path) -> Member:
    return Member(str(path), PurePosixPath(path.name), partial(_open_path, path), path.stat().st_size)


def _folder_members(folder: Path) -> list[Member]:
    """List the files of a folder and of the folders below it, hidden ones left out."""
    members = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent, name) for name in names]
        members += [
            Member(
                str(path),
                PurePosixPath(path.relative_to(folder).as_posix()),
                partial(_open_path, path),
                path.stat().st_size,
            )
            for path in paths
            if path.is_file()  # no pipes, no dangling links
        ]
    return members


def _zip_members(path: Path, stack: ExitStack) -> list[Member]:
    """List the files in a zip."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged or truncated zip ({error}); expected a whole archive") from error
    members = []
    for info in archive.infolist():
        label = f"{path}!{info.filename}"
        inner_path = _checked_path(label, info.filename)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(f"{label}: a link; expected an archive of plain files")
        if info.flag_bits & 1:
            raise DataError(f"{label}: encrypted; expected an archive without a password")
        if not info.is_dir():
            members.append(Member(label, inner_path, partial(archive.open, info), info.file_size))
    return members


def _tar_members(label: str, stream: IO[bytes], stack: ExitStack) -> list[Member]:
    """List the files in an uncompressed tar."""
    try:
        archive = stack.enter_context(tarfile.TarFile(fileobj=stream))
        members = [_tar_member(f"{label}!{info.name}", archive, info) for info in archive if not info.isdir()]
    except _DAMAGE as error:
        raise DataError(f"{label}: damaged or truncated tar ({error}); expected a whole archive") from error
    # tarfile takes a tar that breaks off between two members for a whole one; a whole one ends with zeros.
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{label}: damaged or truncated tar (it has no end mark); expected a whole archive")
    return members


def _tar_member(label: str, archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    inner_path = _checked_path(label, info.name)
    if not info.isfile():
        raise DataError(f"{label}: a link or device; expected an archive of plain files")
    return Member(label, inner_path, partial(tarfile.ExFileObject, archive, info), info.size)


def _checked_path(label: str, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise DataError(
            f"{label}: a path that leads outside the archive; expected relative paths without '..'"
        )
    return path


def _is_tar(head: bytes) -> bool:
    """Whether the first block is the header of a tar's member: its checksum holds."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@contextmanager
def _spool(stream: IO[bytes]) -> Generator[IO[bytes], None, None]:
    """Copy a stream into a nameless temporary file, which can be read in any order.

    Yields:
        The copy.
    """
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(stream, spool, _COPY_BYTES)
        spool.seek(0)
        yield spool
