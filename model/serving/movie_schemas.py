"""What the service takes and gives about movies and users, as pydantic models."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from model.serving.schemas import EXAMPLE_MOVIE, EXAMPLE_USER, IN_DIGITS, LARGEST_ID, Asker, Interval, Request

LONGEST_QUERY: Final = 100
"""Characters of a title search."""
MOST_RECOMMENDED: Final = 100
"""How many movies are recommended."""
MOST_MOVIES: Final = 50
"""How many movies a search answers with, and how many similar ones are listed."""
MOST_USERS: Final = 50
"""How many example users are shown."""
MOST_USER_RATINGS: Final = 500
"""How many of a user's ratings are shown."""


Era = Literal["before 1970", "1970-1989", "1990 and later"]


class RecommendRequest(Asker):
    """The body of `POST /v1/recommend`; neither user nor ratings is somebody new."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": EXAMPLE_USER, "n": 5},
                {"ratings": [{"movie_id": EXAMPLE_MOVIE, "rating": 5}], "n": 5, "era": "1990 and later"},
            ]
        }
    )

    n: Annotated[int, Field(strict=True, ge=1, le=MOST_RECOMMENDED)] = 10
    """How many movies at most."""
    era: Era | None = None
    """Only movies of this era; null for all."""


class MovieSearch(Request):
    """The parameters of `GET /v1/movies`."""

    query: Annotated[str, Field(max_length=LONGEST_QUERY, examples=["the cafe"])] = ""
    """Words of the title in any order, each perhaps only begun; empty asks for the most rated movies."""
    limit: Annotated[int, Field(ge=1, le=MOST_MOVIES, examples=[5]), IN_DIGITS] = 20
    """How many movies at most."""


class SimilarSelection(Request):
    """The parameters of `GET /v1/movies/{movie_id}/similar`."""

    n: Annotated[int, Field(ge=1, le=MOST_MOVIES, examples=[5]), IN_DIGITS] = 10
    """How many movies at most."""


class UserSelection(Request):
    """The parameters of `GET /v1/users`."""

    n: Annotated[int, Field(ge=1, le=MOST_USERS, examples=[3]), IN_DIGITS] = 10
    """How many users at most."""


class RatingSelection(Request):
    """The parameters of `GET /v1/users/{user_id}/ratings`."""

    limit: Annotated[int, Field(ge=1, le=MOST_USER_RATINGS, examples=[5]), IN_DIGITS] = 100
    """How many ratings at most, the newest first."""


MovieId = Annotated[int, Field(ge=1, le=LARGEST_ID, examples=[EXAMPLE_MOVIE]), IN_DIGITS]
"""A movie's id in an address."""
UserId = Annotated[int, Field(ge=1, le=LARGEST_ID, examples=[EXAMPLE_USER]), IN_DIGITS]
"""A user's id in an address."""


Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
"""A day of an answer, YYYY-MM-DD."""


class Movie(BaseModel):
    """A movie of the catalogue."""

    movie_id: int
    title: str
    """Empty where the data set gives none."""
    release_year: int | None
    era: str | None
    """'before 1970', '1970-1989', '1990 and later', or null for a movie without a year."""
    n_ratings: int
    mean_rating: float | None
    """Stars; null for a movie that nobody has rated."""


class MoviesAnswer(BaseModel):
    """The answer of `GET /v1/movies`."""

    movies: list[Movie]
    """Best match first, then the one with more ratings."""


class SimilarMovie(Movie):
    """A movie that is like another."""

    similarity: float
    """Above 0; 1 would be the same."""


class SimilarAnswer(BaseModel):
    """The answer of `GET /v1/movies/{movie_id}/similar`."""

    movies: list[SimilarMovie]
    """The most similar first; empty for a movie of which nothing is known."""


class RecommendedMovie(BaseModel):
    """A movie that the user has not rated."""

    movie_id: int
    title: str
    """Empty where the data set gives none."""
    release_year: int | None
    predicted_rating: float
    """Stars, within the bundle's scale."""
    interval: Interval
    """Where the actual rating is to be expected."""


class RecommendBasis(BaseModel):
    """What recommendations rest on."""

    user_known: bool
    """Whether any rating of the user was available."""
    n_user_ratings: int
    fallback: str | None
    """Why they rest on less than they should: new_user, or null."""


class RecommendAnswer(BaseModel):
    """The answer of `POST /v1/recommend`."""

    recommendations: list[RecommendedMovie]
    """Highest prediction first; movies that the user has rated are left out."""
    based_on: RecommendBasis


class ExampleUser(BaseModel):
    """A user of the bundle."""

    user_id: int
    n_ratings: int
    first_date: Date
    """The day of the user's first rating."""
    last_date: Date
    """The day of the user's latest rating."""


class UsersAnswer(BaseModel):
    """The answer of `GET /v1/users`."""

    users: list[ExampleUser]


class UserRating(BaseModel):
    """A rating that a user of the bundle gave."""

    movie_id: int
    title: str
    """Empty where the data set gives none."""
    release_year: int | None
    rating: float
    """Stars."""
    date: Date


class UserRatingsAnswer(BaseModel):
    """The answer of `GET /v1/users/{user_id}/ratings`."""

    ratings: list[UserRating]
    """The newest first."""


class Scale(BaseModel):
    """The stars that the data set uses."""

    low: float
    high: float
    step: float
    """Distance between neighbouring ratings, stars."""


class ModelCard(BaseModel):
    """The answer of `GET /v1/model`: the bundle's manifest, and what a page needs to ask sensibly."""

    model_config = ConfigDict(extra="allow")

    rating_scale: Scale
    eras: list[str]
    """The names of the eras, oldest first."""
    n_users: int
    n_movies: int
    """Movies listed, with or without ratings."""
    n_ratings: int
    shows_users: bool
    """Whether the operator lets clients see ids and ratings of the bundle's users."""
    format_version: int
    created: str
    data_fingerprint: str
    """The same for the same ratings in any order."""
    features: str
    """"full" or "seed"."""
    feature_names: list[str]
    training_config: dict[str, Any]
    """Every setting of the training, by section."""
    metrics: dict[str, Any]
    """What was measured in training: RMSE, on which rows, and beside what."""
    library_versions: dict[str, str]
    files: dict[str, str]
    """The SHA-256 of every file."""
