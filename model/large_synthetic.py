"""The built-in data at any size, up to the Prize's own: drawn movie by movie and written as it is drawn.

The ratings come from the same model as those of `model.generation`, which holds all pairs of users and movies
in memory; here memory grows with the users and the movies only. The folder has the Prize's files,
`combined_data_1.txt` and so on with `movie_titles.csv`, and `synthetic.json`, which says what was asked for
and the RMSE of the best prediction there is. It appears complete or not at all.
"""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.cli import Parser, add_output_flags, print_result, run_command
from model.dates import format_day
from model.errors import ConfigError, DataError
from model.folders import replace_folder, staged_folder
from model.generation import (
    DAYS_PER_YEAR,
    DRIFT,
    ERA_CHARGES,
    ERA_STARTS,
    FIRST_DAY,
    LAST_DAY,
    LAST_USER_ID,
    LEANING_SPREAD,
    MEAN_SIGNAL,
    MOVIE_SPREAD,
    NOISE_SPREAD,
    POPULAR_IS_LIKED,
    TASTE_SPREAD,
    USER_SPREAD,
    compute_star_moments,
    draw_memberships,
    draw_movies,
    first_days,
)
from model.outputs import check_output_folder
from model.progress import track_step
from model.synthetic import TITLES_FILE, format_titles
from model.table import NO_YEAR, WHOLE_STARS, Movies

PROG = "python -m model.large_synthetic"
EXAMPLES = {
    "--output made-up/ --ratings 1000000": "a million ratings, as skewed as the Prize's",
    "--output made-up-prize/": "100,480,507 ratings, as many as the Prize's",
}
DESCRIPTION_FILE = "synthetic.json"

PRIZE_RATINGS, PRIZE_USERS, PRIZE_MOVIES = 100_480_507, 480_189, 17_770
LEAST_SIZE, MOST_SIZE = 2_000, LAST_USER_ID * (PRIZE_RATINGS // PRIZE_USERS)
"""For fewer ratings there would be too few users for the movies, for more too few ids for the users."""
ACTIVITY_SPREAD = 1.25
"""Standard deviation of the logarithm of how much users rate: the Prize's mean is 209 and its median 96."""
POPULARITY_SPREAD = 2.15
"""Standard deviation of the logarithm of how much movies are rated: mean 5,654, median 561."""
MOST_RATED = 0.485
"""Share of the users who rated the most popular movie, and at most of those who could have."""
RATINGS_PER_FILE = 26_000_000
"""The Prize came in four files."""

_BIGGEST_SHARE_DRAWN = 0.05
"""Movies rated by fewer of the users are drawn by rejection, others by ranking everybody."""


@dataclass(frozen=True, slots=True)
class LargeConfig:
    """How much to draw."""

    n_ratings: int = PRIZE_RATINGS
    """How many ratings, each of another pair of user and movie."""
    n_users: int = PRIZE_USERS
    """How many users; each has at least one rating."""
    n_movies: int = PRIZE_MOVIES
    """How many movies; each has at least one rating."""
    seed: int = 1
    """Starts the random numbers; the same seed writes the same bytes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            lowest = 0 if field.name == "seed" else 1
            if getattr(self, field.name) < lowest:
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}: expected {lowest} or more")
        if self.n_users > LAST_USER_ID:
            raise ConfigError(f"n_users is {self.n_users}: expected {LAST_USER_ID} or fewer")
        most = int(self.n_users * self.n_movies * MOST_RATED / 2)
        if not self.n_users + self.n_movies <= self.n_ratings <= most:
            raise ConfigError(
                f"n_ratings is {self.n_ratings}: expected {self.n_users + self.n_movies} to {most} for "
                f"{self.n_users} users and {self.n_movies} movies"
            )

    @classmethod
    def of_size(cls, n_ratings: int, *, seed: int = 1) -> "LargeConfig":
        """As many ratings a user as in the Prize; movies in proportion to the fourth root of the ratings."""
        if not LEAST_SIZE <= n_ratings <= MOST_SIZE:
            raise ConfigError(f"{n_ratings} ratings: expected {LEAST_SIZE:,} to {MOST_SIZE:,}")
        share = n_ratings / PRIZE_RATINGS
        n_users, n_movies = round(PRIZE_USERS * share), round(PRIZE_MOVIES * share**0.25)
        return cls(n_ratings, n_users, n_movies, seed)


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """The users, (n_users,) columns."""

    ids: NDArray[np.int64]
    digits: NDArray[np.uint8]
    """(n_users, width) the ids in ASCII, right-aligned."""
    is_digit: NDArray[np.bool_]
    """(n_users, width) False for what is left of the first digit."""
    weights: NDArray[np.float64]
    """How much they rate."""
    cumulative: NDArray[np.float64]
    """The running sum of the weights."""
    joined: NDArray[np.float64]
    left: NDArray[np.float64]
    """The days between which they rate."""
    biases: NDArray[np.float64]
    tastes: NDArray[np.float64]
    leanings: NDArray[np.float64]
    """Stars."""


def write_large_synthetic(folder: Path, config: LargeConfig) -> None:
    """Draw and write.

    Args:
        folder: where to; missing parents are made. One that this function wrote is replaced.
        config: how much.

    Raises:
        DataError: if the folder holds anything else.
    """
    if (
        folder.exists()
        and not (folder / DESCRIPTION_FILE).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise DataError(f"{folder} is there and is no built-in data: expected a new or an empty folder")
    check_output_folder(folder)
    with staged_folder(folder) as staged:
        rng = np.random.default_rng([config.seed, 0])
        movies = draw_movies(rng, config.n_movies)
        squares = _write_ratings(staged, config, rng, movies)
        (staged / TITLES_FILE).write_text("".join(format_titles(movies)), encoding="latin-1", newline="\n")
        description = {**asdict(config), "lowest_rmse": math.sqrt(squares / config.n_ratings)}
        (staged / DESCRIPTION_FILE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        replace_folder(staged, folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)

    def run() -> None:
        config = LargeConfig.of_size(arguments.ratings, seed=arguments.seed)
        write_large_synthetic(arguments.output, config)
        print_result(
            {"output": str(arguments.output), **asdict(config)},
            f"{arguments.output}: {config.n_ratings:,} ratings of {config.n_users:,} users "
            f"and {config.n_movies:,} movies",
            as_json=arguments.json,
        )

    return run_command(run, prog=PROG, verbose=arguments.verbose)


def _write_ratings(folder: Path, config: LargeConfig, rng: np.random.Generator, movies: Movies) -> float:
    """Write the rating files; the sum of the ratings' variances given their signals, stars squared."""
    people = _draw_people(rng, config.n_users)
    released = first_days(movies.release_years)
    popularity = rng.standard_normal(config.n_movies)
    counts, favourites = _draw_counts(rng, config, people, released, popularity)
    own = rng.standard_normal(config.n_movies)
    biases = MOVIE_SPREAD * (POPULAR_IS_LIKED * popularity + math.sqrt(1 - POPULAR_IS_LIKED**2) * own)
    biases -= np.average(biases, weights=counts)  # the mean of the ratings does not hang on the popular ones
    tastes = rng.standard_normal(config.n_movies)
    charges = np.array(ERA_CHARGES)[np.searchsorted(ERA_STARTS, movies.release_years, side="right")]
    charges[movies.release_years == NO_YEAR] = 0.0
    mean_day = np.average((people.joined + people.left) / 2, weights=people.weights)
    dates = np.array([
        list(format_day(day).encode("ascii")) for day in range(FIRST_DAY, LAST_DAY + 1)
    ]).astype(np.uint8)  # (n_days, 10)
    fans = np.argsort(favourites, kind="stable")
    first_fans = np.searchsorted(favourites[fans], np.arange(config.n_movies + 1))
    # a fine table of what rounding and clipping do: the error function itself takes minutes for the Prize
    grid = np.linspace(-4, 11, 15_001)
    variances = compute_star_moments(grid)[1].astype(np.float64)
    n_files = math.ceil(config.n_ratings / RATINGS_PER_FILE)
    file_of_movie = (np.cumsum(counts) - counts) * n_files // config.n_ratings
    total = 0.0
    with track_step("drawing and writing", total=config.n_ratings, unit="ratings") as step:
        for file in range(n_files):
            with (folder / f"combined_data_{file + 1}.txt").open("wb") as stream:
                for movie in np.flatnonzero(file_of_movie == file).tolist():
                    own_rng = np.random.default_rng([config.seed, 1, movie])
                    must = fans[first_fans[movie] : first_fans[movie + 1]]
                    users = _draw_raters(own_rng, people, must, int(counts[movie]), float(released[movie]))
                    begins = np.maximum(people.joined[users], released[movie])
                    spans = people.left[users] - begins
                    days = np.floor(begins + spans * own_rng.random(len(users))).astype(np.int64)
                    order = np.lexsort((users, days))
                    users, days = users[order], days[order]
                    signal = (
                        MEAN_SIGNAL
                        + biases[movie]
                        + people.biases[users]
                        + people.tastes[users] * tastes[movie]
                        + people.leanings[users] * charges[movie]
                        + DRIFT / DAYS_PER_YEAR * (days - mean_day)
                    )
                    noisy = signal + NOISE_SPREAD * own_rng.standard_normal(len(users))
                    stars = np.clip(np.rint(noisy), WHOLE_STARS.low, WHOLE_STARS.high).astype(np.uint8)
                    total += float(np.interp(signal, grid, variances).sum())
                    stream.write(b"%d:\n" % movies.movie_ids[movie])
                    stream.write(_format_lines(people, users, stars, dates[days - FIRST_DAY]))
                    step.advance(len(users))
    return total


def _draw_people(rng: np.random.Generator, n_users: int) -> _People:
    ids = np.sort(rng.choice(LAST_USER_ID, n_users, replace=False)) + 1
    width = len(str(LAST_USER_ID))
    powers = 10 ** np.arange(width - 1, -1, -1)
    joined, left = draw_memberships(rng, n_users)
    weights = np.exp(ACTIVITY_SPREAD * rng.standard_normal(n_users))
    return _People(
        ids=ids,
        digits=(ids[:, None] // powers % 10 + ord("0")).astype(np.uint8),
        is_digit=ids[:, None] >= powers,
        weights=weights,
        cumulative=np.cumsum(weights),
        joined=joined,
        left=left,
        biases=USER_SPREAD * rng.standard_normal(n_users),
        tastes=TASTE_SPREAD * rng.standard_normal(n_users),
        leanings=LEANING_SPREAD * rng.standard_normal(n_users),
    )


def _draw_counts(
    rng: np.random.Generator,
    config: LargeConfig,
    people: _People,
    released: NDArray[np.int64],
    popularity: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw how many ratings each movie gets, (n_movies,), and one movie that each user rates, (n_users,)."""
    wanted = np.exp(POPULARITY_SPREAD * popularity)
    # those who leave before a movie is out cannot rate it
    possible = config.n_users - np.searchsorted(np.sort(people.left), released, side="right")
    most = np.maximum((MOST_RATED * possible).astype(np.int64), 1)
    oldest = int(np.argmin(released))
    chosen = rng.choice(config.n_movies, config.n_users, p=wanted / wanted.sum())
    favourites = np.where(people.left > released[chosen], chosen, oldest)
    least = np.maximum(np.bincount(favourites, minlength=config.n_movies), 1)
    return _settle(wanted, least, np.maximum(most, least), config.n_ratings), favourites


def _settle(
    wanted: NDArray[np.float64], least: NDArray[np.int64], most: NDArray[np.int64], total: int
) -> NDArray[np.int64]:
    """Find whole numbers in proportion to what is wanted, within bounds, with a given sum.

    Raises:
        ConfigError: if the bounds leave no room for it.
    """
    if not least.sum() <= total <= most.sum():
        raise ConfigError(f"n_ratings is {total}: expected {least.sum()} to {most.sum()}")
    low, high = 0.0, 4 * total / float(wanted.min())
    for _ in range(200):
        scale = (low + high) / 2
        if np.clip(np.floor(scale * wanted), least, most).sum() <= total:
            low = scale
        else:
            high = scale
    counts = np.clip(np.floor(low * wanted), least, most).astype(np.int64)
    while missing := total - int(counts.sum()):
        room = np.flatnonzero(counts < most)[:missing]
        counts[room] += 1
    return counts


def _draw_raters(
    rng: np.random.Generator, people: _People, must: NDArray[np.int64], n: int, released: float
) -> NDArray[np.int64]:
    """Draw n users of those who stay until the movie is out, without replacement, weighted by activity.

    The first n distinct ones of draws with replacement are such a draw, and so are those with the smallest
    exponentials over their weights (Efraimidis and Spirakis, Information Processing Letters 97, 2006).
    """
    n_users = len(people.weights)
    if n > _BIGGEST_SHARE_DRAWN * n_users:
        keys = rng.exponential(size=n_users) / people.weights
        keys[people.left <= released] = np.inf
        keys[must] = 0.0
        return np.argpartition(keys, n - 1)[:n]
    drawn = must
    while True:
        distinct, first = np.unique(drawn, return_index=True)
        if len(distinct) >= n:
            return distinct[np.argsort(first, kind="stable")[:n]]
        more = np.searchsorted(
            people.cumulative, rng.random(n - len(distinct) + 64) * people.cumulative[-1], side="right"
        )
        drawn = np.concatenate([drawn, more[people.left[more] > released]])


def _format_lines(
    people: _People, users: NDArray[np.int64], stars: NDArray[np.uint8], dates: NDArray[np.uint8]
) -> bytes:
    """Format `user,stars,date` lines.

    Args:
        people: the users.
        users: (n,) who rated.
        stars: (n,) 1 to 5.
        dates: (n, 10) days in ASCII.
    """
    width = people.digits.shape[1]
    text = np.empty((len(users), width + 14), dtype=np.uint8)
    text[:, :width] = people.digits[users]
    text[:, [width, width + 2]] = ord(",")
    text[:, width + 1] = stars + ord("0")
    text[:, width + 3 : -1] = dates
    text[:, -1] = ord("\n")
    kept = np.ones(text.shape, dtype=np.bool_)
    kept[:, :width] = people.is_digit[users]
    return text[kept].tobytes()


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--ratings", type=int, default=PRIZE_RATINGS, help="how many ratings (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all randomness (default: %(default)s)")
    add_output_flags(parser, "what was written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
