"""Runs code in an interpreter that has imported nothing yet, from the root of the repository."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PATIENCE = 120
"""Seconds until an interpreter that does not end is given up."""


def run_fresh(
    code: str, *, python: str = sys.executable, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code and wait for its end.

    Args:
        code: the program.
        python: the interpreter.
        folder: where it runs, and imports from.
        environment: variables on top of this process's own.
    """
    return subprocess.run(
        [python, "-W", "error::DeprecationWarning", "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
