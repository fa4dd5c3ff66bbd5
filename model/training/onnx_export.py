"""From a finished run to a bundle: the network as ONNX, proven equal to torch on real rows."""

import importlib.metadata
import json
import logging
import os
import warnings
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.external_data_helper import set_external_data

from model.batches import (
    INPUT_NAMES,
    KNOWN_INPUT_NAMES,
    KNOWN_OUTPUT_NAMES,
    OUTPUT_NAMES,
    run_known_session,
    run_session,
)
from model.bundle import (
    HISTORY,
    KNOWN_USERS_NETWORK,
    NETWORK,
    TITLES,
    write_bundle,
)
from model.errors import ArtifactIncompatibleError
from model.features import compute_features
from model.history import UNKNOWN, History
from model.nearest import NEAREST_USERS
from model.neighbours import find_neighbours
from model.progress import track_rows, track_step
from model.questions import KnownRating, Query, QueryReader
from model.quick import USER_SUMS, sum_up_users
from model.store import read_history, read_movies, write_history
from model.table import HALF_STAR
from model.titles import write_titles
from model.training.checkpoint import TrainedNetwork, read_checkpoint
from model.training.encoding import encode_users, predict_queries
from model.training.known_users import KnownUserNetwork
from model.training.nearest_users import is_worth_listing, list_nearest_users
from model.training.network import RatingNetwork, UserEncoder
from model.training.runs import METRICS, require_run
from model.vectors import MOVIE_LINKS, MOVIE_TABLE, USER_PRIOR, USER_VECTORS, prior_type
from model.views import view_history

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it once, when it is imported

import onnxruntime

OPSET = 18
"""The ONNX operator set; pinned, so that a newer exporter does not change what older runtimes must read."""
TOLERANCE = 1e-4
"""Largest difference between torch and onnxruntime, stars."""
N_PARITY_ROWS = 250
_COMPARED_AT_ONCE = 50

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "pytorch-lightning", "torch")


def export_run(run: Path, output: Path) -> dict[str, Any]:
    """Write a run's bundle.

    Args:
        run: a finished run folder.
        output: the bundle's folder; a bundle that is there already is replaced, anything else is refused.

    Returns:
        The bundle's manifest; `parity` holds the largest difference found.

    Raises:
        ArtifactMissingError: if the run is not there.
        ArtifactIncompatibleError: if torch and onnxruntime differ by more than `TOLERANCE`.
    """
    require_run(run)
    trained = read_checkpoint(run)
    history = read_history(run / HISTORY)
    movies = read_movies(run / HISTORY, history)
    try:
        metrics = json.loads((run / METRICS).read_text(encoding="utf-8"))
        fingerprint = metrics["data_fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactIncompatibleError(f"{run / METRICS} is damaged: {error}") from error

    def write_files(folder: Path) -> dict[str, Any]:
        n_features = len(trained.feature_names)
        encoder = trained.network.encoder
        n_networks = 1 if encoder is None else 2
        with track_step("converting to ONNX", total=n_networks, unit="networks") as step:
            write_network(folder / NETWORK, trained.network, n_features=n_features)
            step.advance(1)
            if encoder is not None:
                write_known_users_network(
                    folder / KNOWN_USERS_NETWORK, trained.network, n_features=n_features
                )
                step.advance(1)
        if encoder is not None:
            share_tables(folder, encoder)
            write_vectors(folder, encoder, history)
        if is_worth_listing(history):
            whole = view_history(history)
            np.save(folder / NEAREST_USERS, list_nearest_users(history, whole), allow_pickle=False)
            np.save(folder / USER_SUMS, sum_up_users(history, whole), allow_pickle=False)
        (folder / HISTORY).mkdir()
        write_history(folder / HISTORY, history)
        write_titles(folder / TITLES, movies.titles, counts=np.diff(history.movie_offsets))
        queries = choose_parity_queries(history, np.random.default_rng(trained.config.training.seed))
        difference, predicted = compare_with_torch(folder, trained, history, queries)
        if not difference <= TOLERANCE:
            raise ArtifactIncompatibleError(
                f"onnxruntime and torch differ by {difference:.2e} stars on {len(queries)} rows: "
                f"expected at most {TOLERANCE}"
            )
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "data_fingerprint": fingerprint,
            "features": trained.config.training.features,
            "feature_names": list(trained.feature_names),
            "rating_scale": {
                "low": history.scale.low,
                "high": history.scale.high,
                "step": history.scale.step,
            },
            "opset": OPSET,
            "training_config": trained.config.to_json(),
            "metrics": metrics,
            "parity": {"rows": len(queries), "largest_difference": difference},
            "library_versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
            "self_test": {
                "user_id": queries[0].user_id,
                "movie_id": queries[0].movie_id,
                "predicted_rating": round(float(predicted[0, 0]), 6),
            },
        }

    return write_bundle(output, write_files)


def write_network(path: Path, network: RatingNetwork, *, n_features: int) -> None:
    """Write a network as ONNX; numbers of queries, users and context ratings stay open.

    Args:
        path: the file.
        network: what to write.
        n_features: columns of its feature matrix.
    """
    n_queries, n_users, length = 3, 2, 5
    queries, users, ratings = (torch.export.Dim(name) for name in ("n_queries", "n_users", "length"))
    examples: tuple[torch.Tensor, ...] = (torch.zeros(n_queries, n_features),)
    shapes: dict[str, Any] = {"features": {0: queries}}
    if network.encoder is not None:
        examples += (
            torch.zeros(n_users, length, dtype=torch.int64),
            torch.ones(n_users, length),
            torch.ones(n_users, length),
            torch.zeros(n_queries, dtype=torch.int64),
            torch.zeros(n_queries, dtype=torch.int64),
        )
        context = {0: users, 1: ratings}
        shapes["contexts"] = (context, context, context, {0: queries}, {0: queries})
    _write_onnx(path, network, examples, shapes, INPUT_NAMES[: len(examples)], OUTPUT_NAMES)


def share_tables(folder: Path, encoder: UserEncoder) -> None:
    """Write the encoder's movie tables beside its network, and let the network read them there.

    They are all but a little of the network, and the service needs them too: so they are stored once, and a
    start maps them instead of parsing and copying them, which would take longer the more movies there are.

    Args:
        folder: holds the network's ONNX file.
        encoder: whose tables they are.
    """
    path = folder / NETWORK
    model = onnx.load(path)
    inside = {initializer.name: initializer for initializer in model.graph.initializer}
    for name, part in ((MOVIE_TABLE, "table"), (MOVIE_LINKS, "links")):
        table = encoder.get_buffer(part).contiguous().numpy()
        np.save(folder / name, table, allow_pickle=False)
        shared = inside.get(f"encoder.{part}")
        if shared is None or shared.raw_data != table.tobytes():
            raise ArtifactIncompatibleError(f"{path} does not hold the encoder's {part} as {name} does")
        offset = (folder / name).stat().st_size - table.nbytes  # behind NumPy's header
        set_external_data(shared, name, offset=offset, length=table.nbytes)
        shared.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())


def write_known_users_network(path: Path, network: RatingNetwork, *, n_features: int) -> None:
    """Write the network for users whose vectors are stored as ONNX; the number of queries stays open.

    Args:
        path: the file.
        network: one with an encoder.
        n_features: columns of its feature matrix.
    """
    known = KnownUserNetwork(network).eval()
    rows = torch.zeros(3, *known.row_shape)
    examples = (torch.zeros(3, n_features), rows, rows.clone())
    queries = torch.export.Dim("n_queries")
    shapes = {name: {0: queries} for name in KNOWN_INPUT_NAMES}
    _write_onnx(path, known, examples, shapes, KNOWN_INPUT_NAMES, KNOWN_OUTPUT_NAMES)


def _write_onnx(
    path: Path,
    network: torch.nn.Module,
    examples: tuple[torch.Tensor, ...],
    shapes: dict[str, Any],
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
) -> None:
    # the exporter looks for optional packages and warns about its own internals
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                examples,
                path,
                input_names=list(input_names),
                output_names=list(output_names),
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=shapes,
                external_data=False,
                verbose=False,
            )
    finally:
        registration.setLevel(level)


def write_vectors(folder: Path, encoder: UserEncoder, history: History) -> None:
    """Write what the encoder knows as NumPy files, the arrays of `model.vectors.StoredVectors`.

    Args:
        folder: where to.
        encoder: solves for the users' vectors.
        history: all ratings.
    """
    _, n_samples, row = encoder.table.shape
    prior = np.empty(n_samples, dtype=prior_type(row - 1))
    for which, name in enumerate(("known", "new")):
        prior[name]["mean"] = encoder.means[which, :, 0].numpy()
        prior[name]["precision"] = encoder.precisions[which, :, 0].numpy()
    prior["noise"] = encoder.noise[:, 0, 0, 0].numpy()
    prior["overall_mean"] = encoder.overall_mean.numpy()
    np.save(folder / USER_PRIOR, prior, allow_pickle=False)
    shape = (history.n_users, n_samples, row)
    vectors = np.lib.format.open_memmap(folder / USER_VECTORS, mode="w+", dtype=np.float32, shape=shape)
    encode_users(encoder, history, vectors)
    vectors.flush()


def choose_parity_queries(history: History, rng: np.random.Generator) -> list[Query]:
    """Real rows to compare on: rated and other pairs, a stranger, an unknown movie, ratings given along."""
    rows = rng.choice(history.n_ratings, size=min(N_PARITY_ROWS, history.n_ratings), replace=False)
    users = np.searchsorted(history.user_offsets, rows, side="right") - 1
    pairs = zip(
        history.user_ids[users].tolist(), history.movie_ids[history.user_movies[rows]].tolist(), strict=True
    )
    queries = [Query(user_id=user, movie_id=movie) for user, movie in pairs]
    stranger, nothing = int(history.user_ids.max()) + 1, int(history.movie_ids.max()) + 1
    others = history.movie_ids[rng.integers(history.n_movies, size=len(queries))].tolist()
    unrated = [
        Query(user_id=query.user_id, movie_id=movie) for query, movie in zip(queries, others, strict=True)
    ]
    first = queries[0]
    known = KnownRating(movie_id=first.movie_id, rating=float(history.user_codes[rows[0]]) * HALF_STAR)
    return [
        *queries,
        *unrated,
        Query(user_id=stranger, movie_id=first.movie_id),
        Query(user_id=first.user_id, movie_id=nothing),
        Query(movie_id=nothing, ratings=(known,)),
    ]


def compare_with_torch(
    folder: Path, trained: TrainedNetwork, history: History, queries: list[Query]
) -> tuple[float, NDArray[np.float32]]:
    """The largest difference between torch and onnxruntime, stars, and what onnxruntime predicted.

    The networks are compared, and for queries that stored vectors answer, the one for known users too.

    Args:
        folder: holds the ONNX files and the vectors.
        trained: the torch network.
        history: what the queries may see.
        queries: at least one.
    """
    visible = QueryReader(history).read(queries)
    search = partial(find_neighbours, history, most_candidates=trained.config.training.most_candidates)
    matrix = np.concatenate([
        compute_features(
            history,
            visible.views,
            visible.contexts,
            visible.queries.take(np.arange(rows.start, rows.stop)),
            search=search,
            names=trained.feature_names,
        ).matrix
        for rows in track_rows(
            len(queries), "comparing with torch", unit="predictions", at_once=_COMPARED_AT_ONCE
        )
    ])
    ours = predict_queries(trained.network, matrix, visible.contexts, visible.queries)
    session = onnxruntime.InferenceSession(folder / NETWORK, providers=["CPUExecutionProvider"])
    served = run_session(session, matrix, visible.contexts, visible.queries)
    difference = float(np.abs(ours - served).max())
    known = visible.stored_users != UNKNOWN
    if trained.network.encoder is not None and known.any():
        session = onnxruntime.InferenceSession(
            folder / KNOWN_USERS_NETWORK, providers=["CPUExecutionProvider"]
        )
        people = np.load(folder / USER_VECTORS, mmap_mode="r", allow_pickle=False)[
            visible.stored_users[known]
        ]
        asked = np.load(folder / MOVIE_TABLE, mmap_mode="r", allow_pickle=False)[
            visible.queries.movies[known] + 1
        ]
        stored = run_known_session(session, matrix[known], people, asked)
        difference = max(difference, float(np.abs(ours[known] - stored).max()))
    return difference, served
