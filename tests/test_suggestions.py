"""What a mistyped path is taken for, with the mistake in each of its parts."""

from pathlib import Path

import pytest

from model.suggestions import find_nearest_path, suggest_path

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a few files."""
    for name in ("artifacts/bundle/manifest.json", "artifacts/built-in-data/a.txt", "examples/event.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "artifacts/.bundle.part").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("artifacts/bundel", "artifacts/bundle"),
        ("artifacts/bundl", "artifacts/bundle"),
        ("artifact/built-in-data", "artifacts/built-in-data"),
        ("artifact/built-in-dta/a.text", "artifacts/built-in-data/a.txt"),
        ("Examples/Event.json", "examples/event.json"),
        ("artifacts/../exmples", "artifacts/../examples"),
        ("artifacts", None),
        (".", None),
        ("artifacts/nothing-like-it", None),
        ("nowhere/bundle", None),
        ("artifacts/bundle.part", "artifacts/bundle"),
        ("examples/event.json/more", None),
        ("examples/" + 300 * "e", None),
        ("examples/\0", None),
    ],
)
def test_find_nearest_path_corrects_each_missing_part_when_one_beside_it_is_near(
    typed: str, meant: str | None
) -> None:
    """Relative paths stay relative; what is there, and what resembles nothing, suggests nothing."""
    found = find_nearest_path(Path(typed))
    assert (None if found is None else str(found)) == meant


def test_find_nearest_path_stays_absolute_when_the_typed_one_is(workplace: Path) -> None:
    """From the root on."""
    assert find_nearest_path(workplace / "artifact" / "bundle") == workplace / "artifacts" / "bundle"


def test_suggest_path_ends_the_message_when_a_path_is_near() -> None:
    """The words are those of names; nothing is said of a path that is there."""
    assert suggest_path(Path("artifacts/bundel")) == ", did you mean artifacts/bundle?"
    assert not suggest_path(Path("artifacts/bundle"))
