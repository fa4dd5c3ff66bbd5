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
import torch
from numpy.typing import NDArray

from model.batches import INPUT_NAMES, OUTPUT_NAMES, run_session
from model.bundle import HISTORY, NETWORK, write_bundle
from model.errors import ArtifactIncompatibleError, ArtifactMissingError
from model.features import compute_features
from model.history import History
from model.neighbours import find_neighbours
from model.questions import KnownRating, Query, QueryReader
from model.store import read_history, read_movies, write_history
from model.table import HALF_STAR
from model.training.checkpoint import TrainedNetwork, read_checkpoint
from model.training.encoding import predict_queries
from model.training.network import RatingNetwork
from model.training.run import METRICS, is_run

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it once, when it is imported

import onnxruntime

OPSET = 18
"""The ONNX operator set; pinned, so that a newer exporter does not change what older runtimes must read."""
TOLERANCE = 1e-4
"""Largest difference between torch and onnxruntime, stars."""
N_PARITY_ROWS = 500

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
    if not is_run(run):
        raise ArtifactMissingError(
            f"{run} is not a finished run: expected {METRICS} and a checkpoint in it; run train.py"
        )
    trained = read_checkpoint(run)
    history = read_history(run / HISTORY)
    movies = read_movies(run / HISTORY, history)
    try:
        metrics = json.loads((run / METRICS).read_text(encoding="utf-8"))
        fingerprint = metrics["data_fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactIncompatibleError(f"{run / METRICS} is damaged: {error}") from error

    def write_files(folder: Path) -> dict[str, Any]:
        write_network(folder / NETWORK, trained.network, n_features=len(trained.feature_names))
        (folder / HISTORY).mkdir()
        write_history(folder / HISTORY, history, movies.titles)
        queries = choose_parity_queries(history, np.random.default_rng(trained.config.training.seed))
        difference, predicted = compare_with_torch(folder / NETWORK, trained, history, queries)
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
                input_names=list(INPUT_NAMES[: len(examples)]),
                output_names=list(OUTPUT_NAMES),
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=shapes,
                external_data=False,
                verbose=False,
            )
    finally:
        registration.setLevel(level)


def choose_parity_queries(history: History, rng: np.random.Generator) -> list[Query]:
    """Real rows to compare on: known pairs, a new user, an unknown movie, and ratings in the request."""
    rows = rng.choice(history.n_ratings, size=min(N_PARITY_ROWS, history.n_ratings), replace=False)
    users = np.searchsorted(history.user_offsets, rows, side="right") - 1
    pairs = zip(
        history.user_ids[users].tolist(), history.movie_ids[history.user_movies[rows]].tolist(), strict=True
    )
    queries = [Query(user_id=user, movie_id=movie) for user, movie in pairs]
    stranger, nothing = int(history.user_ids.max()) + 1, int(history.movie_ids.max()) + 1
    first = queries[0]
    known = KnownRating(movie_id=first.movie_id, rating=float(history.user_codes[rows[0]]) * HALF_STAR)
    return [
        *queries,
        Query(user_id=stranger, movie_id=first.movie_id),
        Query(user_id=first.user_id, movie_id=nothing),
        Query(movie_id=nothing, ratings=(known,)),
    ]


def compare_with_torch(
    path: Path, trained: TrainedNetwork, history: History, queries: list[Query]
) -> tuple[float, NDArray[np.float32]]:
    """The largest difference between torch and onnxruntime, stars, and what onnxruntime predicted.

    Args:
        path: the ONNX file.
        trained: the torch network.
        history: what the queries may see.
        queries: at least one.
    """
    visible = QueryReader(history).read(queries)
    table = compute_features(
        history,
        visible.views,
        visible.contexts,
        visible.queries,
        search=partial(find_neighbours, history, most_candidates=trained.config.training.most_candidates),
        names=trained.feature_names,
    )
    ours = predict_queries(trained.network, table.matrix, visible.contexts, visible.queries)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    served = run_session(session, table.matrix, visible.contexts, visible.queries)
    return float(np.abs(ours - served).max()), served
