"""A test that needs a program says so: it is skipped on a machine without, and fails where it must run."""

from pathlib import Path

import pytest
from programs import find_program


def find_curl() -> str:
    return find_program("curl", "curl.exe", package="curl", purpose="the documents' requests")


def test_find_program_takes_the_first_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is called."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "curl.exe").touch(mode=0o755)
    assert find_curl() == str(tmp_path / "curl.exe")


@pytest.mark.parametrize(
    ("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_find_program_skips_or_fails_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    """Both say how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("REQUIRE_BROWSER", required)
    with pytest.raises(outcome, match=r"no curl: `apt-get install curl` .* lets the documents' requests run"):
        find_curl()
