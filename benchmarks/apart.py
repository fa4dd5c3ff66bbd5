"""Processes of their own, and the memory that a process took.

This module imports next to nothing: what it imported would count with the memory of what is measured.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.errors import RatingModelError

_ROOT = Path(__file__).parents[1]
_STATUS = Path("/proc/self/status")
_MEGABYTE = 1e6


def run_apart(arguments: Sequence[str], **environment: str) -> Any:
    """Run Python afresh, from the root of the repository, and read what it prints as JSON.

    Args:
        arguments: those of the interpreter; their paths are absolute.
        environment: variables on top of this process's own.

    Returns:
        The last line of its standard output.

    Raises:
        RatingModelError: if it fails or is ended from outside, as one that takes too much memory is.
    """
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    if finished.returncode < 0:
        raise RatingModelError(
            f"a process that was measured was ended by signal {-finished.returncode}; out of memory?"
        )
    if finished.returncode:
        said = finished.stderr.strip().rpartition("\n")[2]
        raise RatingModelError(f"a process that was measured failed: {said}")
    return json.loads(finished.stdout.splitlines()[-1])


def read_peak_memory() -> float:
    """The most memory that this process has held so far, megabytes."""
    if _STATUS.exists():
        # Linux hands the peak of ru_maxrss down from the process that started this one; VmHWM starts afresh
        [line] = [
            line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")
        ]
        return int(line.split()[1]) * 1024 / _MEGABYTE
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MEGABYTE
