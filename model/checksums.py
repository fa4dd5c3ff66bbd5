"""Checksums of files: of every byte, and of samples for files too large to be read whole at each start."""

import hashlib
import json
from pathlib import Path
from typing import Any

LARGE_FILE = 16 << 20
"""Files of this size and more are sampled, bytes."""
N_SAMPLES = 64
SAMPLE_BYTES = 1 << 15


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_samples(path: Path) -> str:
    """The SHA-256 of a file's size and of 64 pieces spread evenly from its start to its end, hexadecimal.

    A file that is truncated, half-written or another one is noticed in milliseconds, whatever its size; a few
    bytes changed between two pieces are not. A small file is read whole.
    """
    size = path.stat().st_size
    if size < LARGE_FILE:
        return hash_file(path)
    digest = hashlib.sha256(b"%d" % size)
    with path.open("rb") as file:
        for sample in range(N_SAMPLES):
            file.seek((size - SAMPLE_BYTES) * sample // (N_SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def hash_manifest(manifest: dict[str, Any]) -> str:
    """The SHA-256 of a manifest without its own `digest`, hexadecimal."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
