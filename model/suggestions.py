"""What somebody who mistyped a name or a path may have meant."""

import difflib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known one it resembles, if any.

    Args:
        word: what was typed.
        known: what would have been accepted.

    Returns:
        `, did you mean X?`, or nothing where no known name comes near.

    >>> suggest("ful", ["full", "seed"]), suggest("other", ["full", "seed"])
    (', did you mean full?', '')
    """
    near = find_nearest(word, known)
    return "" if near is None else f", did you mean {near}?"


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one resembles, whatever its case; None where none comes near.

    >>> find_nearest("Movielens-smal", ["movielens-small", "netflix"])
    'movielens-small'
    """
    by_lower_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower_case, n=1)
    return by_lower_case[close[0]] if close else None


def suggest_path(path: Path) -> str:
    """The end of a message about a path that is not there, as `suggest` gives it for names.

    Args:
        path: what was typed.

    Returns:
        `, did you mean X?`, or nothing where the path is there or none comes near.
    """
    near = find_nearest_path(path)
    return "" if near is None else f", did you mean {near}?"


def find_nearest_path(path: Path) -> Path | None:
    """The path that a mistyped one resembles, in each part that is missing.

    Args:
        path: what was typed.

    Returns:
        A path that is there; None where this one is, or where nothing beside a missing part comes near.
    """
    found = Path(path.anchor)
    with suppress(OSError):  # a folder that may not be read suggests nothing
        for part in path.parts[len(found.parts) :]:
            name = part if (found / part).exists() else find_nearest(part, _list_names(found))
            if name is None:
                return None
            found /= name
        return None if found == path else found
    return None


def _list_names(folder: Path) -> list[str]:
    """What is in a folder, without hidden files: those are half-written ones of other commands."""
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
