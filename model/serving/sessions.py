"""Exported networks, opened by onnxruntime for single questions as well as for many."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.batches import KNOWN_INPUT_NAMES, KNOWN_OUTPUT_NAMES, OUTPUT_NAMES, run_known_session
from model.errors import ArtifactIncompatibleError
from model.vectors import StoredVectors

# onnxruntime's official builds send telemetry unless this is set before the import
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

MOST_BOUND: Final = 32
"""Queries up to which the arrays that a network reads and writes are kept, for each number of queries."""


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


class _Bound(NamedTuple):
    """A network's inputs and output for one number of queries, as arrays that it reads and writes itself."""

    features: NDArray[np.float32]
    people: NDArray[np.float32]
    asked: NDArray[np.float32]
    predicted: NDArray[np.float32]
    binding: onnxruntime.IOBinding


class KnownUserSession:
    """The network for known users; safe to share between threads.

    To be handed arrays, and to hand new ones back, is up to a third of what a single prediction takes
    onnxruntime. A few queries are written to arrays that it was handed before.

    Args:
        path: the ONNX file.
        vectors: of the users and movies that will be asked for.
        n_features: how many feature columns the network takes.

    Raises:
        ArtifactIncompatibleError: if onnxruntime refuses the network.
    """

    def __init__(self, path: Path, vectors: StoredVectors, *, n_features: int) -> None:
        self._session = open_session(path, KNOWN_OUTPUT_NAMES)
        self._vectors = vectors
        self._n_features = n_features
        self._bound: dict[int, _Bound] = {}
        self._lock = Lock()

    def predict_few(
        self, features: Sequence[tuple[float, ...]], users: Sequence[int], movies: Sequence[int]
    ) -> list[tuple[float, float, float]]:
        """Predict single queries.

        Args:
            features: of each query, the network's feature columns.
            users: rows of the history's users.
            movies: rows of the movie table.

        Returns:
            For each query the rating and the bounds of its interval, stars.
        """
        n = len(features)
        if n > MOST_BOUND:
            table = np.array(features, dtype=np.float32)
            return self.predict_many(table, np.array(users), np.array(movies)).tolist()  # type: ignore[no-any-return]
        with self._lock:
            bound = self._bound.get(n) or self._bind(n)
            bound.features[:] = features
            # every place is within bounds; to check that again, NumPy would need a copy in between
            self._vectors.users.take(users, axis=0, out=bound.people, mode="clip")
            self._vectors.movies.take(movies, axis=0, out=bound.asked, mode="clip")
            self._session.run_with_iobinding(bound.binding)
            predictions: list[tuple[float, float, float]] = bound.predicted.tolist()
        return predictions

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

    def _bind(self, n: int) -> _Bound:
        shapes = (self._n_features,), self._vectors.users.shape[1:], self._vectors.movies.shape[1:]
        inputs = [np.zeros((n, *shape), dtype=np.float32) for shape in shapes]
        predicted = np.zeros((n, len(OUTPUT_NAMES)), dtype=np.float32)
        binding = self._session.io_binding()
        # onnxruntime does not copy arrays in the processor's memory
        for name, array in zip(KNOWN_INPUT_NAMES, inputs, strict=True):
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        [output] = KNOWN_OUTPUT_NAMES
        binding.bind_ortvalue_output(output, onnxruntime.OrtValue.ortvalue_from_numpy(predicted))
        features, people, asked = inputs
        self._bound[n] = _Bound(features, people, asked, predicted, binding)
        return self._bound[n]
