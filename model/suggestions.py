"""What somebody who mistyped a name may have meant."""

import difflib
from collections.abc import Iterable


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
