"""Finds an interpreter as close as there is to the one that the function runs on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHONS = ("3.13", "3.12")
"""The function's own Python, and the next best."""


def find_python() -> str:
    """An interpreter by name, from pyenv's folder, else this one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in PYTHONS:
        found = [
            shutil.which(f"python{version}"),
            *map(str, sorted(pyenv.glob(f"versions/{version}*/bin/python"))),
        ]
        for candidate in filter(None, found):
            # A pyenv shim may be there for a version that is not switched on: it exits with an error.
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
    return sys.executable


def read_version(python: str) -> str:
    """An interpreter's version, such as 3.13."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
