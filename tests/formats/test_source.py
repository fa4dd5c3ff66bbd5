"""Streaming the files of a folder or an archive."""

import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from model.errors import DataError
from model.formats.source import open_source

CONTENTS = {"a/one.txt": b"first", "two.txt": b"second"}


def write_tar(path: Path, contents: dict[str, bytes], *, links: tuple[str, ...] = ()) -> Path:
    """Write a tar of any member names, compressed where the name says so."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE
            info.linkname = "two.txt"
            archive.addfile(info)
    return path


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    """Write a compressed zip of any member names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, contents: dict[str, bytes]) -> Path:
    """Write a folder of files."""
    for name, data in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def read_all(path: Path) -> dict[str, bytes]:
    """Read every member of a source."""
    contents = {}
    with open_source(path) as source:
        for member in source.members:
            with member.open() as stream:
                contents[str(member.path)] = stream.read()
    return contents


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "folder"])
def test_source_holds_the_same_files_when_packed_any_way(tmp_path: Path, name: str) -> None:
    """A zip, a tar, a compressed tar and a folder of the same files give the same members."""
    writers = {".zip": write_zip, "": write_folder}
    path = writers.get(Path(name).suffix, write_tar)(tmp_path / name, CONTENTS)
    assert read_all(path) == CONTENTS


def test_source_is_recognised_by_content_when_the_name_says_otherwise(tmp_path: Path) -> None:
    """A zip named .csv is a zip."""
    assert read_all(write_zip(tmp_path / "ratings.csv", CONTENTS)) == CONTENTS


def test_source_holds_one_file_when_a_single_file_is_gzipped(tmp_path: Path) -> None:
    """A gzip of something that is no tar is that file, under its name without .gz."""
    (tmp_path / "one.csv.gz").write_bytes(gzip.compress(b"first"))
    assert read_all(tmp_path / "one.csv.gz") == {"one.csv": b"first"}


def test_source_members_can_be_read_in_any_order_when_compressed(tmp_path: Path) -> None:
    """Members of a .tar.gz can be read backwards, and twice."""
    with open_source(write_tar(tmp_path / "x.tar.gz", CONTENTS)) as source:
        heads = [member.read_head(3) for member in [*reversed(source.members), *source.members]]
    assert heads == [b"sec", b"fir", b"fir", b"sec"]


def test_source_leaves_out_hidden_folders_and_what_is_no_file_when_walking(tmp_path: Path) -> None:
    """Hidden folders, pipes and dangling links are no members."""
    write_folder(tmp_path, CONTENTS | {".git/config": b"x"})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert read_all(tmp_path) == CONTENTS


def test_source_names_neighbours_when_given_a_single_file(tmp_path: Path) -> None:
    """The neighbours of a file are the other files of its folder; a folder has none."""
    write_folder(tmp_path, CONTENTS | {"three.txt": b"third"})
    with open_source(tmp_path / "two.txt") as source:
        assert [str(member.path) for member in source.neighbours] == ["three.txt"]
    with open_source(tmp_path) as source:
        assert source.neighbours == []


def test_inner_archive_is_listed_when_it_is_a_tar(tmp_path: Path) -> None:
    """A tar within a tar can be opened; its members name both. Other members hold none."""
    inner = write_tar(tmp_path / "inner.tar", CONTENTS).read_bytes()
    outer = write_tar(tmp_path / "outer.tar.gz", {"inner.tar": inner, "note": b"text"})
    with open_source(outer) as source:
        tar, note = source.members
        assert source.open_inner(note) == []
        members = source.open_inner(tar)
        assert [member.label for member in members] == [f"{outer}!inner.tar!{name}" for name in CONTENTS]
        assert members[1].read_head(100) == b"second"


def test_source_orders_members_by_number_when_names_hold_numbers(tmp_path: Path) -> None:
    """part_2 comes before part_10."""
    write_folder(tmp_path, {"part_10.txt": b"", "part_2.txt": b""})
    assert list(read_all(tmp_path)) == ["part_2.txt", "part_10.txt"]


def test_source_is_refused_when_missing_or_no_file(tmp_path: Path) -> None:
    """A path that is missing, and a pipe, are refused by name."""
    with pytest.raises(DataError, match="gone: no such file, folder or archive"):
        read_all(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe: not a file, folder or archive"):
        read_all(tmp_path / "pipe")


def test_source_is_refused_when_empty(tmp_path: Path) -> None:
    """An empty file is refused by name."""
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="empty: empty file"):
        read_all(tmp_path / "empty")


@pytest.mark.parametrize(
    "name", ["../climbs.txt", "a/../../climbs.txt", "/etc/absolute", "C:\\x.txt", "..\\x.txt"]
)
@pytest.mark.parametrize("kind", ["x.zip", "x.tar", "x.tar.gz"])
def test_archive_is_refused_when_a_path_leads_outside(tmp_path: Path, kind: str, name: str) -> None:
    """A member whose path climbs out or is absolute is refused, and named."""
    write = write_zip if kind == "x.zip" else write_tar
    path = write(tmp_path / kind, {name: b"x"})
    with pytest.raises(DataError, match="leads outside the archive") as caught:
        read_all(path)
    assert f"{path}!{name}" in str(caught.value)


def test_archive_is_refused_when_it_holds_a_link(tmp_path: Path) -> None:
    """Links in a tar and in a zip are refused, and named."""
    with pytest.raises(DataError, match=r"x\.tar!sly: a link"):
        read_all(write_tar(tmp_path / "x.tar", CONTENTS, links=("sly",)))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("sly")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "two.txt")
    with pytest.raises(DataError, match=r"x\.zip!sly: a link"):
        read_all(tmp_path / "x.zip")


def test_archive_is_refused_when_encrypted(tmp_path: Path) -> None:
    """A member flagged as encrypted is refused, and named."""
    path = write_zip(tmp_path / "x.zip", {"one.txt": b"first"})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.zip!one\.txt: encrypted"):
        read_all(path)


def test_archive_is_refused_when_compressed_in_an_unknown_way(tmp_path: Path) -> None:
    """A member of a compression method that is not known is refused, and named."""
    path = write_zip(tmp_path / "x.zip", {"one.txt": b"first"})
    data = bytearray(path.read_bytes())
    for at in (8, data.index(b"PK\x01\x02") + 10):
        data[at] = 99
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.zip!one\.txt: .*expected an ordinary zip"):
        read_all(path)


@pytest.mark.parametrize("kind", ["x.zip", "x.tar", "x.tar.gz"])
def test_archive_is_refused_when_truncated_anywhere(tmp_path: Path, kind: str) -> None:
    """An archive cut off at any of many places is refused by name, never read in part."""
    noise = bytes(i * i % 251 for i in range(3000))
    write = write_zip if kind == "x.zip" else write_tar
    path = write(tmp_path / kind, {"one.txt": noise, "two.txt": noise})
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) + 512 if kind == "x.tar" else len(whole)  # a tar is padded with zeros
    for size in [600, 1024, 512 + 3072, 512 + 3072 + 100, *range(end // 2, end - 1, 97)]:
        if size < end - 1:
            path.write_bytes(whole[:size])
            with pytest.raises(DataError, match="truncated"):
                read_all(path)


def test_archive_is_refused_when_a_member_is_damaged(tmp_path: Path) -> None:
    """A zip member whose checksum does not hold is refused, and named."""
    path = write_zip(tmp_path / "x.zip", {"one.txt": b"first" * 100})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 16] ^= 1
    data[14] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.zip!one\.txt: damaged"):
        read_all(path)


def test_archive_leaves_nothing_behind_when_read(tmp_path: Path) -> None:
    """Reading a compressed tar writes no file beside it."""
    path = write_tar(tmp_path / "x.tar.gz", CONTENTS)
    shutil.copy(path, tmp_path / "y.tar.gz")
    read_all(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.tar.gz", "y.tar.gz"]
