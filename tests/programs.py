"""Programs of the system that some tests need."""

import os
import shutil

import pytest


def find_program(*names: str, package: str, purpose: str) -> str:
    """A program's path; without it the test is skipped, or fails where all must run: REQUIRE_BROWSER=1.

    Args:
        names: what it is called, here or there.
        package: has it, in Debian and Ubuntu.
        purpose: what it lets run.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    missing = f"no {names[0]}: `apt-get install {package}` (Debian, Ubuntu) lets {purpose} run"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
