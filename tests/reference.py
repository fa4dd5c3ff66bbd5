"""The definitions of DESIGN 3, said in plain loops: slow, and meant to be obviously right.

Written from the definitions, not from the code; it shares nothing with it but a few constants and the names
of the columns. Sums are fractions, so that ties are ties.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import log1p

from builders import Found, Rated

from model.features import MOVIE_SHRINKAGE, RECENT_DAYS, UNKNOWN_AGE, USER_SHRINKAGE
from model.neighbours import CLOSENESS_SHRINKAGE


@dataclass(frozen=True)
class Answer:
    """What one query should get."""

    candidates: list[Found]
    """All of them, in order."""
    features: dict[str, float]
    """By column."""


def answer(
    rows: Iterable[Rated],
    years: Mapping[int, int],
    *,
    user: int,
    movie: int,
    middle: float,
    as_of: int | None = None,
    day: int | None = None,
    context: Mapping[int, Rated] | None = None,
) -> Answer:
    """Answer one query.

    Args:
        rows: all ratings, those hidden by `as_of` among them.
        years: release years; 0 or absent where there is none.
        user: who asks.
        movie: about what.
        middle: the middle of the scale, which stands in where nothing is known at all.
        as_of: hides ratings on or after this day.
        day: what the prediction is for; `as_of` by default, that failing the day after the last rating.
        context: the ratings that the asking user is known by, by movie; all of the user's by default.
    """
    rows = list(rows)
    if day is None:
        day = max((row.day for row in rows), default=0) + 1 if as_of is None else as_of
    visible = [row for row in rows if as_of is None or row.day < as_of]
    known = [row for row in visible if (row.user, row.movie) != (user, movie)]
    if context is None:
        context = {row.movie: row for row in known if row.user == user}
    mine = {rated: row for rated, row in context.items() if rated != movie}
    my_stars = {rated: Fraction(row.stars) for rated, row in mine.items()}
    candidates = _order_candidates(known, user, movie, my_stars, _mean_gap(known))
    overall = _mean((row.stars for row in known), default=middle)
    movie_stars = [row.stars for row in known if row.movie == movie]
    movie_mean = _mean(movie_stars, default=overall)
    nearest = candidates[:4]
    features = {
        **{f"neighbour_{rank}": float(movie_mean) for rank in (1, 2, 3, 4)},
        **{f"distance_{rank}": 10.5 for rank in (1, 2, 3, 4)},
        **{f"closeness_{rank}": float(_mean_gap(known)) for rank in (1, 2, 3, 4)},
    }
    for rank, neighbour in enumerate(nearest, start=1):
        features[f"neighbour_{rank}"] = neighbour.stars
        features[f"distance_{rank}"] = neighbour.distance
        features[f"closeness_{rank}"] = neighbour.closeness
    features["neighbour_count"] = len(nearest)
    features["movie_count"] = log1p(len(movie_stars))
    features["movie_bias"] = float(
        sum((Fraction(stars) - overall for stars in movie_stars), Fraction(0))
        / (len(movie_stars) + Fraction(MOVIE_SHRINKAGE))
    )
    features["movie_age"] = _movie_age(years.get(movie, 0), day)
    features |= _user_features(visible, mine, years, movie, overall, day)
    return Answer(candidates, features)


def era(year: int) -> str | None:
    """The era of a release year; None where there is no year."""
    if year == 0:
        return None
    if year < 1970:
        return "first"
    return "second" if year < 1990 else "third"


def _order_candidates(
    known: list[Rated], user: int, movie: int, mine: Mapping[int, Fraction], mean_gap: Fraction
) -> list[Found]:
    stars_of: dict[int, dict[int, Fraction]] = defaultdict(dict)
    for row in known:
        stars_of[row.user][row.movie] = Fraction(row.stars)
    ordered = []
    for candidate, theirs in stars_of.items():
        if candidate == user or movie not in theirs:
            continue
        gaps = sorted(
            abs(theirs[common] - mine[common]) for common in theirs if common in mine and common != movie
        )
        n = len(gaps)
        distance = sum(gaps[:3], Fraction(0)) + Fraction(7, 2) * max(0, 3 - n)
        shrinkage = Fraction(CLOSENESS_SHRINKAGE)
        closeness = (sum(gaps, Fraction(0)) + shrinkage * mean_gap) / (n + shrinkage)
        ordered.append((distance, closeness, -n, candidate))
    ordered.sort()
    return [
        Found(candidate, float(stars_of[candidate][movie]), float(distance), float(closeness), -minus_n)
        for distance, closeness, minus_n, candidate in ordered
    ]


def _user_features(
    visible: list[Rated],
    mine: Mapping[int, Rated],
    years: Mapping[int, int],
    movie: int,
    overall: Fraction,
    day: int,
) -> dict[str, float]:
    """What the asking user's ratings of other movies say.

    A movie's level is its mean shrunk towards the overall mean; a bias is the mean of the user's ratings less
    the levels of the movies rated, shrunk towards zero; in an era or the last days, towards the user's bias.
    """
    shrinkage = Fraction(USER_SHRINKAGE)
    residuals = {
        rated: Fraction(own.stars) - _level([row.stars for row in visible if row.movie == rated], overall)
        for rated, own in mine.items()
    }
    bias = sum(residuals.values(), Fraction(0)) / (len(mine) + shrinkage)
    movie_era = era(years.get(movie, 0))
    in_era = [rated for rated in mine if movie_era is not None and era(years.get(rated, 0)) == movie_era]
    era_residuals = sum((residuals[rated] for rated in in_era), Fraction(0))
    recent = [rated for rated, own in mine.items() if day - RECENT_DAYS <= own.day <= day]
    recent_residuals = sum((residuals[rated] for rated in recent), Fraction(0))
    return {
        "user_count": log1p(len(mine)),
        "user_bias": float(bias),
        "era_count": log1p(len(in_era)),
        "era_mean": float(_mean((mine[rated].stars for rated in in_era), default=2.0)),
        "user_era_bias": float((era_residuals + shrinkage * bias) / (len(in_era) + shrinkage)),
        "recent_count": log1p(len(recent)),
        "recent_bias": float((recent_residuals + shrinkage * bias) / (len(recent) + shrinkage)),
    }


def _movie_age(year: int, day: int) -> float:
    """The logarithm of one plus the years since New Year of the release year, each 365.2425 days long."""
    if year == 0:
        return log1p(UNKNOWN_AGE)
    return log1p(max(day / 365.2425 - (year - 1970), 0.0))


def _level(stars: list[float], overall: Fraction) -> Fraction:
    shrinkage = Fraction(MOVIE_SHRINKAGE)
    return (sum(map(Fraction, stars), Fraction(0)) + shrinkage * overall) / (len(stars) + shrinkage)


def _mean_gap(known: list[Rated]) -> Fraction:
    """The mean gap of all pairs of ratings of the same movie; 0 where there is no such pair."""
    stars_by_movie: dict[int, list[Fraction]] = defaultdict(list)
    for row in known:
        stars_by_movie[row.movie].append(Fraction(row.stars))
    gaps = [
        abs(first - second)
        for stars in stars_by_movie.values()
        for place, first in enumerate(stars)
        for second in stars[:place]
    ]
    return sum(gaps, Fraction(0)) / len(gaps) if gaps else Fraction(0)


def _mean(stars: Iterable[float], *, default: float | Fraction) -> Fraction:
    values = [Fraction(one) for one in stars]
    return sum(values, Fraction(0)) / len(values) if values else Fraction(default)
