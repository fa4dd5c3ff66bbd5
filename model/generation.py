"""The known model that the built-in ratings are drawn from.

A rating is a signal plus Gaussian noise, rounded to whole stars and clipped to 1..5. The signal is a
constant, the user's and the movie's bias, the product of their tastes, the user's leaning towards old movies,
and a slow drift upwards. So the distribution of every rating given its signal is known in closed form, and
with it the best prediction and the lowest RMSE that anyone could reach.

The constants were set by measurement, so that the ratings have the Prize's published mean (3.60) and spread
(1.09), biases alone stay 5 to 8 % above the lowest RMSE, and a good model comes within 1 to 2 % of it.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from model.dates import Days, parse_day
from model.errors import ConfigError
from model.made_up_titles import build_titles
from model.table import NO_YEAR, WHOLE_STARS, Ids, Movies, Ratings

FIRST_DAY, LAST_DAY = parse_day("1998-10-01"), parse_day("2005-12-31")
"""The days of the Prize's ratings."""
FIRST_YEAR, LAST_YEAR = 1915, 2005
"""Release years."""
MEAN_SIGNAL = 3.67
"""Stars; a little above the observed mean, because clipping takes more off the top than off the bottom."""
USER_SPREAD = 0.49
"""Standard deviation of users' biases, stars."""
MOVIE_SPREAD = 0.53
"""Standard deviation of movies' biases, stars."""
TASTE_SPREAD = 0.32
"""Standard deviation of the product of a user's and a movie's taste, stars."""
LEANING_SPREAD = 0.25
"""Standard deviation of users' leaning towards old movies, stars."""
NOISE_SPREAD = 0.88
"""Standard deviation of the noise, stars."""
DRIFT = 0.06
"""How much kinder ratings become, stars a year."""
DAYS_PER_YEAR = 365.25
POPULAR_IS_LIKED = 0.4
"""Correlation of a movie's bias with its popularity."""
ACTIVITY_SPREAD = 2.0
"""Standard deviation of the logarithm of how much users rate."""
POPULARITY_SPREAD = 1.2
"""Standard deviation of the logarithm of how much movies are rated."""
ERA_STARTS = (1970, 1990)
"""Years in which the second and the third era begin."""
ERA_CHARGES = (1.1, 0.3, -0.4)
"""How a leaning towards old movies counts for a movie of each era."""

MOST_PAIRS = 50_000_000
"""The table of all pairs is held in memory; more than this is refused."""
LAST_USER_ID = 2_649_429
"""User ids are drawn from 1 to this one, as the Prize's were."""


@dataclass(frozen=True, slots=True)
class SyntheticConfig:
    """The size of the built-in data set."""

    n_users: int = 800
    """How many users; each has at least one rating."""
    n_movies: int = 400
    """How many movies; each has at least one rating."""
    n_ratings: int = 100_000
    """How many ratings, each of another pair of user and movie."""
    seed: int = 11
    """Starts the random numbers; the same seed writes the same bytes. On a test set of this size luck alone
    is about 1 % either way, so the default was chosen among the first 20 for noise that is average on the
    `latest` split: the best possible prediction comes out within 0.1 % of the lowest RMSE there."""

    def __post_init__(self) -> None:
        for field in fields(self):
            lowest = 0 if field.name == "seed" else 1
            if getattr(self, field.name) < lowest:
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}: expected {lowest} or more")
        if self.n_users > LAST_USER_ID:
            raise ConfigError(f"n_users is {self.n_users}: expected {LAST_USER_ID} or fewer")
        if self.n_users * self.n_movies > MOST_PAIRS:
            raise ConfigError(
                f"{self.n_users} users x {self.n_movies} movies: expected {MOST_PAIRS} pairs or fewer"
            )
        if self.n_ratings < self.n_users + self.n_movies:
            raise ConfigError(
                f"n_ratings is {self.n_ratings}: expected {self.n_users + self.n_movies} or more, "
                "so that every user and every movie has one"
            )


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticTruth:
    """What is known about each rating before its noise is drawn; in the order of the rows."""

    user_ids: Ids
    """(n,) ids."""
    movie_ids: Ids
    """(n,) ids."""
    expected_ratings: NDArray[np.float32]
    """(n,) stars: the mean of the rating given its signal, which is the best prediction there is."""
    variances: NDArray[np.float32]
    """(n,) stars²: the variance of the rating given its signal, which no prediction gets below."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Who rated what and when, before anybody knows how many stars."""

    users: NDArray[np.int64]
    """(n_ratings,) user numbers from 0."""
    places: NDArray[np.int64]
    """(n_ratings,) places of the movies in the catalogue."""
    days: Days
    """(n_ratings,) never descending."""
    popularity: NDArray[np.float64]
    """(n_movies,) standard normal."""


def build_synthetic(config: SyntheticConfig) -> tuple[Ratings, SyntheticTruth]:
    """Draw the built-in data set in memory.

    Args:
        config: how much.

    Returns:
        The ratings, exactly as the reader reads them from the files, and the truth of each row.
    """
    rng = np.random.default_rng(config.seed)
    user_ids = np.sort(rng.choice(LAST_USER_ID, config.n_users, replace=False)) + 1
    movies = draw_movies(rng, config.n_movies)
    rows = _draw_rows(rng, config, movies.release_years)
    signal = _compute_signal(rng, rows, config.n_users, movies.release_years)
    noise = NOISE_SPREAD * rng.standard_normal(config.n_ratings)
    ratings = Ratings(
        user_ids=user_ids[rows.users],
        movie_ids=movies.movie_ids[rows.places],
        stars=np.clip(np.rint(signal + noise), WHOLE_STARS.low, WHOLE_STARS.high).astype(np.float32),
        days=rows.days,
        movies=movies,
        scale=WHOLE_STARS,
    )
    expected, variances = compute_star_moments(signal)
    return ratings, SyntheticTruth(ratings.user_ids, ratings.movie_ids, expected, variances)


def compute_star_moments(signal: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the mean and the variance of the rating that a signal turns into, in closed form.

    Args:
        signal: (n,) stars before noise, rounding and clipping.

    Returns:
        (n,) means, stars, and (n,) variances, stars².
    """
    stars = np.arange(WHOLE_STARS.low + 1, WHOLE_STARS.high + 1)[:, None]  # (4, 1): 2 .. 5
    margins = (signal - (stars - 0.5)) / (NOISE_SPREAD * math.sqrt(2))  # (4, n)
    errors = np.array([math.erf(margin) for margin in margins.ravel().tolist()]).reshape(margins.shape)
    at_least = (1 + errors) / 2  # P(rating >= 2 .. 5)
    mean = 1 + at_least.sum(axis=0)
    mean_square = 1 + ((2 * stars - 1) * at_least).sum(axis=0)  # k² - (k-1)² = 2k - 1
    return mean.astype(np.float32), (mean_square - mean**2).astype(np.float32)


def draw_movies(rng: np.random.Generator, n_movies: int) -> Movies:
    """Draw a catalogue: most movies recent, about one in a hundred without a year."""
    years = np.floor(LAST_YEAR + 1 - rng.gamma(1.5, 9.0, n_movies)).clip(FIRST_YEAR, LAST_YEAR)
    years[rng.choice(n_movies, max(1, n_movies // 100), replace=False)] = NO_YEAR
    return Movies(
        movie_ids=np.arange(1, n_movies + 1),
        titles=build_titles(n_movies, rng),
        release_years=years.astype(np.int16),
    )


def _draw_rows(rng: np.random.Generator, config: SyntheticConfig, release_years: NDArray[np.int16]) -> _Rows:
    """Draw pairs of user and movie, each with a day while the user is there and the movie is out."""
    released = first_days(release_years)
    joined, left = draw_memberships(rng, config.n_users)
    popularity = rng.standard_normal(config.n_movies)
    users, places = _draw_pairs(rng, config, popularity, out_in_time=released <= left[:, None])
    begins = np.maximum(joined[users], released[places])
    days = np.floor(begins + (left[users] - begins) * rng.random(config.n_ratings)).astype(np.int16)
    order = np.lexsort((users, places, days))  # as the reader's: by day, then by place in the file
    return _Rows(users=users[order], places=places[order], days=days[order], popularity=popularity)


def first_days(release_years: NDArray[np.int16]) -> NDArray[np.int64]:
    """The first day on which each movie can be rated, (n_movies,): not before the year of its release."""
    starts = (release_years.astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    return np.where(release_years == NO_YEAR, FIRST_DAY, np.maximum(starts.astype(np.int64), FIRST_DAY))


def draw_memberships(
    rng: np.random.Generator, n_users: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the days between which each user rates, (n_users,) each: ever more join, and most stay long."""
    joined = 0.98 * rng.random(n_users) ** (1 / 3)
    left = joined + (1 - joined) * rng.random(n_users) ** (1 / 4)
    left[np.argmax(left)] = 1.0  # somebody sees the latest movies
    n_days = LAST_DAY + 1 - FIRST_DAY
    return FIRST_DAY + n_days * joined, np.nextafter(FIRST_DAY + n_days * left, 0)


def _draw_pairs(
    rng: np.random.Generator,
    config: SyntheticConfig,
    popularity: NDArray[np.float64],
    *,
    out_in_time: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pairs without replacement, weighted by the user's activity times the movie's popularity.

    The pairs with the largest log weight plus Gumbel noise are such a draw
    (https://en.wikipedia.org/wiki/Gumbel_distribution#Gumbel_reparameterization_tricks).

    Args:
        rng: random numbers.
        config: how many of everything.
        popularity: (n_movies,) standard normal.
        out_in_time: (n_users, n_movies) whether the movie was out before the user left.

    Returns:
        User and movie numbers, (n_ratings,) each.
    """
    n_possible = int(np.count_nonzero(out_in_time))
    if config.n_ratings > n_possible:
        raise ConfigError(
            f"n_ratings is {config.n_ratings}: expected {n_possible} or fewer for {config.n_users} users and "
            f"{config.n_movies} movies"
        )
    activity = rng.standard_normal(config.n_users)
    keys = (
        ACTIVITY_SPREAD * activity[:, None]
        + POPULARITY_SPREAD * popularity
        + rng.gumbel(size=out_in_time.shape)
    )
    keys[~out_in_time] = -np.inf
    favourites, fans = keys.argmax(axis=1), keys.argmax(axis=0)
    keys[np.arange(config.n_users), favourites] = np.inf  # every user and every movie gets a rating
    keys[fans, np.arange(config.n_movies)] = np.inf
    chosen = np.argpartition(keys.ravel(), -config.n_ratings)[-config.n_ratings :]
    users, places = np.divmod(chosen, config.n_movies)
    return users, places


def _compute_signal(
    rng: np.random.Generator, rows: _Rows, n_users: int, release_years: NDArray[np.int16]
) -> NDArray[np.float64]:
    """Draw what users and movies are like, and compute each row's signal, (n_ratings,) stars."""
    users, places, n_movies = rows.users, rows.places, len(release_years)
    own = rng.standard_normal(n_movies)
    liked = POPULAR_IS_LIKED * rows.popularity + math.sqrt(1 - POPULAR_IS_LIKED**2) * own
    charges = np.array(ERA_CHARGES)[np.searchsorted(ERA_STARTS, release_years, side="right")]
    charges[release_years == NO_YEAR] = 0.0
    structure = (
        (USER_SPREAD * rng.standard_normal(n_users))[users]
        + (MOVIE_SPREAD * liked)[places]
        + (TASTE_SPREAD * rng.standard_normal(n_users))[users] * rng.standard_normal(n_movies)[places]
        + (LEANING_SPREAD * rng.standard_normal(n_users))[users] * charges[places]
        + DRIFT / DAYS_PER_YEAR * rows.days
    )
    # Centred, so that the mean of the ratings does not hang on the luck of the most popular movies.
    return np.asarray(MEAN_SIGNAL + structure - structure.mean())
