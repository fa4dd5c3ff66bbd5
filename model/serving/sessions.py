"""Exported networks, opened by onnxruntime for single questions as well as for many."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.batches import KNOWN_OUTPUT_NAMES, run_known_session
from model.bundle import Bundle
from model.errors import ArtifactIncompatibleError
from model.known_user import SingleNetwork, read_weights

# onnxruntime's official builds send telemetry unless this is set before the import
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime


def open_session(path: Path, output_names: tuple[str, ...]) -> onnxruntime.InferenceSession:
    """Open a network: one thread, which is fastest for single rows and never spins.

    Args:
        path: the ONNX file.
        output_names: what it gives.

    Raises:
        ArtifactIncompatibleError: if onnxruntime refuses it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ArtifactIncompatibleError(f"onnxruntime refuses {path}: {error}") from error
    outputs = tuple(output.name for output in session.get_outputs())
    if outputs != output_names:
        raise ArtifactIncompatibleError(f"{path} gives {outputs}: expected {output_names}")
    return session


class KnownUserSession:
    """The network for known users; safe to share between threads.

    Args:
        bundle: one with stored vectors.

    Raises:
        ArtifactIncompatibleError: if onnxruntime refuses the network.
    """

    def __init__(self, bundle: Bundle) -> None:
        if bundle.vectors is None:
            raise ValueError("a bundle without stored vectors has no network for known users")
        self._session = open_session(bundle.known_users_path, KNOWN_OUTPUT_NAMES)
        self._single = SingleNetwork(read_weights(bundle.known_user_weights_path))
        self._vectors = bundle.vectors

    def predict_one(self, features: Sequence[float], user: int, movie: int) -> tuple[float, float, float]:
        """Predict a single query.

        Args:
            features: the network's feature columns.
            user: a row of the history's users.
            movie: a row of the movie table.

        Returns:
            The rating and the bounds of its interval, stars.
        """
        return self._single.predict(features, self._vectors.users[user], self._vectors.movies[movie])

    def predict_many(
        self, features: NDArray[np.float32], users: NDArray[np.integer], movies: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Predict many queries.

        Args:
            features: (n_queries, n_features) the network's feature columns.
            users: (n_queries,) rows of the history's users.
            movies: (n_queries,) rows of the movie table.

        Returns:
            (n_queries, 3) the rating and the bounds of its interval, stars.
        """
        people, asked = self._vectors.users[users], self._vectors.movies[movies]
        return run_known_session(self._session, features, people, asked)
