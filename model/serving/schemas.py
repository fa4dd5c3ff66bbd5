"""What the service takes and gives, as pydantic models: the one place that knows the field names.

Every limit is checked here except a rating's place on the bundle's scale, which only the service knows.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from model.dates import parse_day

EXAMPLE_USER = 8206
"""A user of the built-in data, so that examples work as pasted after `make demo`."""
EXAMPLE_MOVIE = 7
"""A movie of the built-in data."""

LARGEST_ID = 2**63 - 1
"""Ids are stored as int64."""

MOST_RATINGS = 500
"""How many ratings a request may bring along."""

MOST_REQUESTS = 1_000
"""How many predictions one request may ask for."""


LONGEST_DATE = 40
"""Characters of a would-be date that are looked at and repeated in the complaint."""


_DIGITS = re.compile(r"[0-9]{1,19}")


def read_day(value: object) -> int:
    """Read a date of a request.

    Returns:
        Days since 1970-01-01.

    Raises:
        ValueError: if `value` is not a date as YYYY-MM-DD between 1900-01-01 and 2059-09-18.
    """
    if isinstance(value, str):
        return parse_day(value[:LONGEST_DATE])
    raise ValueError("expected a date as text, YYYY-MM-DD")


def check_digits(value: object) -> object:
    """Refuse what Python takes for a whole number and an address should not: 1.0, +1, 1_0, very long ones.

    Args:
        value: a parameter as it stands in the address.

    Raises:
        ValueError: if it is text that is not 1 to 19 digits.
    """
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("expected a whole number in digits")
    return value


IN_DIGITS = BeforeValidator(check_digits)
"""For a number in an address."""

Id = Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)]
"""An id of the data set."""

Day = Annotated[
    int,
    BeforeValidator(read_day),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2005-02-03"]}),
]
"""A day: YYYY-MM-DD on the wire, days since 1970-01-01 inside."""

Stars = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A rating; its place on the bundle's own scale is checked by the service."""


class Request(BaseModel):
    """Base of everything that a client sends: unknown fields are refused, so that a typing error is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OriginalRequest(Request):
    """The body of `POST /`, in the fields of the original service."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": EXAMPLE_USER,
                    "rating_date": "2005-02-03",
                    "movie_id": EXAMPLE_MOVIE,
                    "release_year": 1998,
                    "title": "The Amber Puppeteer",
                }
            ]
        }
    )

    customer_id: Id
    rating_date: Day
    """The day the prediction is for; it cuts nothing."""
    movie_id: Id
    release_year: Annotated[int, Field(strict=True, ge=1800, le=2100)] | None = None
    """Used where the bundle does not know the movie."""
    title: Annotated[str, Field(max_length=500)] | None = None
    """Accepted because the original service took it; nothing depends on it."""


class OriginalAnswer(BaseModel):
    """The answer of `POST /`."""

    predicted_rating: float
    """Stars, within the bundle's scale."""


class RequestRating(Request):
    """A rating that comes with the request."""

    movie_id: Id
    rating: Stars
    date: Day | None = None


class Asker(Request):
    """Who asks and for which day."""

    user_id: Id | None = None
    """A user of the bundle; one that it does not know has no history."""
    ratings: Annotated[list[RequestRating], Field(max_length=MOST_RATINGS)] | None = None
    """The user's own ratings; they add to a known user's history. An empty list is somebody new."""
    date: Day | None = None
    """The day that is asked about, by default the day after the last rating; cuts nothing."""

    @model_validator(mode="after")
    def _check_each_movie_once(self) -> Self:
        seen: set[int] = set()
        for known in self.ratings or ():
            if known.movie_id in seen:
                raise ValueError(
                    f"ratings names movie_id {known.movie_id} twice; each movie may be rated once"
                )
            seen.add(known.movie_id)
        return self


class PredictRequest(Asker):
    """The body of `POST /v1/predict`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": EXAMPLE_USER, "movie_id": EXAMPLE_MOVIE, "date": "2005-02-03", "explain": True},
                {"ratings": [{"movie_id": 1, "rating": 5}, {"movie_id": 3, "rating": 2}], "movie_id": 7},
            ]
        }
    )

    movie_id: Id
    as_of: Day | None = None
    """Only ratings strictly before this day count; `date` is this day unless given."""
    explain: Annotated[bool, Field(strict=True)] = False
    """Whether to name the neighbours and the era mean."""

    @model_validator(mode="after")
    def _check_who(self) -> Self:
        if self.user_id is None and self.ratings is None:
            raise ValueError(
                "user_id or ratings is required (or both); an empty list of ratings is a new user"
            )
        return self


class BatchRequest(Request):
    """The body of `POST /v1/predict/batch`, and the direct invocation that asks for many predictions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "requests": [
                        {"user_id": EXAMPLE_USER, "movie_id": EXAMPLE_MOVIE},
                        {"user_id": EXAMPLE_USER, "movie_id": 12},
                    ]
                }
            ]
        }
    )

    requests: Annotated[list[PredictRequest], Field(min_length=1, max_length=MOST_REQUESTS)]


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds that hold the actual rating in 80 cases of 100."""

    low: float
    """Stars, within the bundle's scale."""
    high: float
    """Stars, within the bundle's scale."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a prediction rests on."""

    user_known: bool
    """Whether any rating of the user was available."""
    movie_known: bool
    """Whether any rating of the movie was available."""
    n_user_ratings: int
    n_movie_ratings: int
    fallback: str | None
    """Why it rests on less than it should: new_user, unknown_movie, new_user_and_unknown_movie, or null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedNeighbour:
    """One of the nearest users who rated the movie."""

    user_id: int | None = None
    """Who it is; null unless the operator shows users."""
    rating: float
    """Stars."""
    distance: float
    """Sum of the three smallest gaps, 0 (same taste) to 10.5 (nothing in common)."""
    common_movies: int
    """How many other movies both rated."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the number comes from."""

    neighbours: list[ExplainedNeighbour]
    """Up to four, nearest first."""
    era: str | None
    """'before 1970', '1970-1989', '1990 and later', or null for a movie without a year."""
    era_mean: float
    """The user's mean for movies of that era, stars; 2.0 when there is none."""


@dataclass(frozen=True, slots=True)
class PredictAnswer:
    """The answer of `POST /v1/predict`."""

    predicted_rating: float
    """Stars, within the bundle's scale."""
    interval: Interval
    """Where the actual rating is to be expected."""
    based_on: Basis
    explanation: Explanation | None = None
    """Null unless the request says `"explain": true`."""


class BatchAnswer(BaseModel):
    """The predictions for many requests, in their order."""

    predictions: list[PredictAnswer]


class Liveness(BaseModel):
    """The process answers."""

    status: str = "alive"


class Readiness(BaseModel):
    """The bundle was verified and has predicted."""

    status: str = "ready"
    self_test_rating: float
    """The prediction made when the bundle was loaded, stars."""
    data_fingerprint: str
    """Of the ratings in the bundle that answers now."""
    created: str
    """When that bundle was exported."""
