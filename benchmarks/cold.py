"""How well somebody new is predicted from the few ratings that come with the request.

Of each user held out, the first ratings are given and later ones predicted, the same ones whatever the number
given, so that the figures compare both across methods and across numbers. This project is asked as a service
is: through the exported bundle's predictor, with the ratings in the request and without a user id.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import add_data_flag, find_data
from benchmarks.measurement import hide_stars
from benchmarks.ours import BundledModel, default_config
from benchmarks.tables import (
    Table,
    add_report_flags,
    describe_machine,
    format_number,
    print_report,
    require_writable,
    write_report,
)
from model.cli import Parser, run_command
from model.errors import DataError
from model.history import build_history
from model.metrics import rmse
from model.progress import track_items
from model.ratings import read_ratings
from model.serving.predictor import KnownRating, Predictor, Query
from model.table import Ratings
from model.training.baselines import USER_REGULARISATION, predict_baselines

PROG = "python -m benchmarks.cold"
EXAMPLES = {
    "": "five times another tenth of the users of the built-in data is new",
    "--data ratings.csv": "the same on ratings of your own",
    "--data ratings.csv --draws 10 --json cold.json": "every user once; the figures to a file",
    "--data ratings.csv --lengths 0,1,3": "for data whose users have few ratings",
}
N_PARTS = 10
"""Into how many parts the users are divided; a draw holds one of them out."""
MOST_TARGETS = 50
"""Ratings predicted of one user, at most."""
LENGTHS = (0, 1, 3, 5, 10, 20)
"""How many ratings come with the request."""
USERS_SEED = 1
"""Chooses the users held out, whatever the seed of the model."""

LINES = {
    "movie_mean": "the movie's mean",
    "biases": "user and movie biases, folded in",
    "full": "ours, the full model",
}


@dataclass(frozen=True, slots=True, eq=False)
class NewUser:
    """Somebody who is in no training rating."""

    given: NDArray[np.int64]
    """(longest,) rows of the held-out table that come with the request, in time order."""
    targets: NDArray[np.int64]
    """(n_targets,) rows to predict, later ones."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    arguments = _build_parser().parse_args(argv)
    return run_command(lambda: _run(arguments), prog=PROG, verbose=arguments.verbose)


def hold_out_users(ratings: Ratings, n_draws: int) -> Iterator[tuple[Ratings, Ratings]]:
    """Divide by user, a few times: all ratings of nine tenths of the users, and all of the others'.

    Args:
        ratings: all ratings.
        n_draws: how often; each time other users are held out.

    Yields:
        The training ratings and those of the users held out.

    Raises:
        DataError: if there are fewer than two users.
    """
    users = np.unique(ratings.user_ids)
    if len(users) < 2:
        raise DataError(f"there are {len(users)} users: expected 2 or more, to hold some out")
    shuffled = np.random.default_rng(USERS_SEED).permutation(users)
    for part in np.array_split(shuffled, min(N_PARTS, len(users)))[:n_draws]:
        held_out = np.isin(ratings.user_ids, part)
        yield ratings.take(~held_out), ratings.take(held_out)


def list_new_users(held_out: Ratings, longest: int) -> list[NewUser]:
    """Divide each user's ratings into those given and those to predict.

    Args:
        held_out: the ratings of the users held out, in time order.
        longest: how many ratings are given at most; the targets come after them.

    Raises:
        DataError: if nobody has more ratings than that.
    """
    order = np.argsort(held_out.user_ids, kind="stable")
    starts = np.unique(held_out.user_ids[order], return_index=True)[1]
    users = [
        NewUser(given=rows[:longest], targets=rows[longest : longest + MOST_TARGETS])
        for rows in np.split(order, starts[1:])
        if len(rows) > longest
    ]
    if not users:
        raise DataError(
            f"none of the {len(starts)} users held out has more than {longest} ratings: "
            "expected some, or shorter --lengths"
        )
    return users


def predict_new(
    predictor: Predictor, held_out: Ratings, users: Sequence[NewUser], length: int
) -> NDArray[np.float64]:
    """Ask the predictor for every target, with the first ratings of its user in the request.

    Args:
        predictor: a loaded bundle; knows none of the users.
        held_out: the ratings of the users held out.
        users: whom to predict.
        length: how many ratings come with each request.

    Returns:
        (n_targets,) stars, user after user.
    """
    predicted = []
    for user in users:
        ratings = tuple(
            KnownRating(
                movie_id=int(held_out.movie_ids[row]),
                rating=float(held_out.stars[row]),
                day=int(held_out.days[row]),
            )
            for row in user.given[:length]
        )
        predicted.append(
            predictor.predict_ratings([
                Query(movie_id=int(held_out.movie_ids[row]), ratings=ratings, day=int(held_out.days[row]))
                for row in user.targets
            ])
        )
    return np.concatenate(predicted).astype(np.float64)


def fold_in_biases(
    bases: NDArray[np.float64], stars: NDArray[np.float32], users: Sequence[NewUser], length: int
) -> NDArray[np.float64]:
    """Add each user's bias, the shrunken mean residual of the ratings given, to what the movies say.

    Args:
        bases: (n_held_out,) overall mean + movie bias of each row's movie, stars.
        stars: (n_held_out,) ratings, stars.
        users: whom to predict.
        length: how many ratings are given.

    Returns:
        (n_targets,) stars, user after user, not clipped.
    """
    predicted = []
    for user in users:
        given = user.given[:length]
        bias = (stars[given] - bases[given]).sum() / (len(given) + USER_REGULARISATION)
        predicted.append(bases[user.targets] + bias)
    return np.concatenate(predicted)


def measure_cold(
    ratings: Ratings, lengths: Sequence[int], *, n_draws: int, build_model: Callable[[], BundledModel]
) -> dict[str, Any]:
    """Train without some users and predict them, a few times.

    Args:
        ratings: all ratings.
        lengths: how many ratings are given.
        n_draws: how often; each time other users are held out.
        build_model: builds this project, not fitted yet.

    Returns:
        The figures over the users of all draws, ready for JSON.
    """
    actual: list[NDArray[np.float32]] = []
    predicted: dict[tuple[int, str], list[NDArray[np.float64]]] = {
        (length, name): [] for length in lengths for name in LINES
    }
    n_held_out = n_predicted = 0
    for train, held_out in track_items(
        list(hold_out_users(ratings, n_draws)), "holding users out", unit="draws"
    ):
        users = list_new_users(held_out, max(lengths))
        model = build_model()
        model.fit(train)
        model.deploy()
        predictor = Predictor(model.bundle)
        # nobody held out has a rating in the history: biases are those of the movies alone
        baselines = predict_baselines(build_history(train), hide_stars(held_out))
        targets = np.concatenate([user.targets for user in users])
        actual.append(held_out.stars[targets])
        for length in lengths:
            folded = fold_in_biases(baselines["biases"], held_out.stars, users, length)
            predicted[length, "movie_mean"].append(baselines["movie_mean"][targets])
            predicted[length, "biases"].append(folded)
            predicted[length, "full"].append(predict_new(predictor, held_out, users, length))
        n_held_out += len(np.unique(held_out.user_ids))
        n_predicted += len(users)
    stars, scale = np.concatenate(actual), ratings.scale
    return {
        "draws": len(actual),
        "users_held_out": n_held_out,
        "users_predicted": n_predicted,
        "test_rows": len(stars),
        "lengths": [
            {
                "ratings_given": length,
                "rmse": {
                    name: rmse(np.concatenate(predicted[length, name]).clip(scale.low, scale.high), stars)
                    for name in LINES
                },
            }
            for length in lengths
        ],
    }


def build_tables(report: dict[str, Any]) -> list[Table]:
    """Lay a report out: a line for each number of ratings given."""
    title = (
        f"{report['data']}, RMSE for users never trained on: {report['test_rows']:,} ratings of "
        f"{report['users_predicted']:,} users, held out in {report['draws']} draws"
    )
    rows = [
        [str(line["ratings_given"]), *(format_number(line["rmse"][name]) for name in LINES)]
        for line in report["lengths"]
    ]
    return [Table(title, ["ratings given", *LINES.values()], rows)]


def _run(arguments: argparse.Namespace) -> None:
    require_writable(arguments.json)
    require_writable(arguments.markdown)
    config = default_config("full", seed=arguments.seed)
    data = find_data(arguments.data)
    report = {
        "data": data.resolve().name,
        "seed": arguments.seed,
        **describe_machine(),
        **measure_cold(
            read_ratings(data),
            arguments.lengths,
            n_draws=arguments.draws,
            build_model=lambda: BundledModel(config),
        ),
    }
    tables = build_tables(report)
    write_report(report, tables, as_json=arguments.json, as_markdown=arguments.markdown)
    print_report(report, tables, as_json=arguments.json)


def _parse_lengths(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers of ratings by commas, such as 0,1,3")
    return sorted({int(part) for part in parts})


def _build_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    add_data_flag(parser)
    parser.add_argument(
        "--lengths",
        type=_parse_lengths,
        default=list(LENGTHS),
        help=f"how many ratings come with the request (default: {','.join(map(str, LENGTHS))})",
    )
    parser.add_argument(
        "--draws",
        type=int,
        choices=range(1, N_PARTS + 1),
        metavar=f"1..{N_PARTS}",
        default=5,
        help="tenths of the users to hold out, one after the other (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the model (default: %(default)s)")
    add_report_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
