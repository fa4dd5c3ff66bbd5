"""Checksums: what a sample notices."""

import hashlib
from pathlib import Path

import pytest

from model import checksums
from model.checksums import hash_file, hash_samples


def test_hash_file_is_sha256_when_content_is_known(tmp_path: Path) -> None:
    """The standard's own example."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_small_files_are_read_whole(tmp_path: Path) -> None:
    """Every byte counts where reading all of them is cheap."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert hash_samples(tmp_path / "abc") == hash_file(tmp_path / "abc")


@pytest.mark.parametrize("change", ["first", "last", "middle", "shorter", "longer", "zeroed half"])
def test_large_files_differ_when_a_sample_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """64 pieces of 4 bytes from 16 kB: the ends, pieces between them, and the size are covered."""
    monkeypatch.setattr(checksums, "LARGE_FILE", 1_000)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 4)
    path = tmp_path / "large"
    data = bytearray(hashlib.shake_256(b"x").digest(16_000))
    path.write_bytes(data)
    before = hash_samples(path)
    assert before != hash_file(path)
    if change in {"first", "last"}:
        data[0 if change == "first" else -1] ^= 1
    elif change == "middle":
        data[(16_000 - 4) * 10 // 63] ^= 1
    elif change == "zeroed half":
        data[8_000:] = bytes(8_000)
    else:
        data = data[:-1] if change == "shorter" else data + b"x"
    path.write_bytes(data)
    assert hash_samples(path) != before
