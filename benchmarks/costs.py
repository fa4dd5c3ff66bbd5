"""What the speed report measures, each beside what bounds it.

Serving is measured through the Lambda handler beside an empty route under the same framework and wrapper; a
cold start beside a bare import of the same packages, both in processes of their own; neighbours beside
scikit-surprise's user-kNN.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI

from benchmarks.apart import run_apart
from benchmarks.methods import build_method
from model.batches import OUTPUT_NAMES
from model.bundle import Bundle
from model.errors import DataError
from model.formats.pairs import Pairs
from model.history import NO_CUT, History, build_history
from model.score import find_compiled_search, score_pairs
from model.serving.app import build_app
from model.serving.bodies import JsonRoute
from model.serving.events import LambdaEntry
from model.serving.live import LiveService
from model.serving.predictor import Predictor
from model.serving.schemas import PredictAnswer, PredictRequest
from model.serving.service import Service
from model.serving.sessions import KnownUserSession, open_session
from model.table import Ratings
from model.training.bulk_neighbours import build_whole_search
from model.training.evaluation import build_test_queries
from model.views import view_history

PEER = "knn_user"
"""Whom the neighbours are measured beside; one of `METHODS`."""
N_REQUESTS = 400
N_STARTS = 5
N_RECOMMENDATIONS = 60
N_SCORED, N_FEW = 100_000, 1_000
SCORING_SECONDS = 20.0
"""How long scoring may take; fewer pairs than `N_SCORED` are scored where they would take longer."""
WARM_UP = 30
MOST_TRIES = 10_000
"""Pairs drawn in a row, all of them rated, after which there is hardly another one."""

_COLD = """
import json, sys, time
started = float(sys.argv[1])
import handler
handler.handler({"user_id": int(sys.argv[2]), "movie_id": int(sys.argv[3])}, None)
print(json.dumps(time.time() - started))
"""
_BARE = """
import json, os, sys, time
started = float(sys.argv[1])
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import fastapi, mangum, numpy, onnxruntime, pydantic
print(json.dumps(time.time() - started))
"""


def measure_serving(bundle: Bundle) -> dict[str, Any]:
    """Time warm single predictions through the Lambda handler, beside an empty route; milliseconds.

    And what of it nobody could save: a route that reads the same request and gives a constant answer of the
    same form, and the network alone. All are asked in turn; then each in a loop of its own, where little that
    the processor holds is pushed out by the others: that is kinder to an empty route than to a prediction.

    Args:
        bundle: what to serve.
    """
    live = LiveService(Service.from_bundle(bundle))
    entry = LambdaEntry(build_app(live), live)
    empty_entry, constant_entry = (LambdaEntry(app, live) for app in (_build_empty(), _build_constant(live)))
    run_network = _build_network_call(bundle)

    def draw_calls(seed: int) -> dict[str, list[Callable[[], object]]]:
        """Calls of each kind, none of them for a pair of another's: a second time is quicker."""
        events = [_build_event(body) for body in _draw_bodies(bundle.history, seed=seed)]
        return {
            "empty": [partial(empty_entry, event, None) for event in events],
            "constant": [partial(constant_entry, event, None) for event in events],
            "network": [run_network for _ in events],
            "predict": [partial(entry, event, None) for event in events],
            "direct": [partial(entry, body, None) for body in _draw_bodies(bundle.history, seed=seed + 1)],
        }

    # turn about, so that all see the same moments of a busy machine
    in_turn, alone = draw_calls(101), draw_calls(201)
    turns = [[time_call(call) for call in turn] for turn in zip(*in_turn.values(), strict=True)][WARM_UP:]
    report = {}
    for name, times in zip(in_turn, np.array(turns).T * 1e3, strict=True):
        p50, p99 = np.quantile(times, (0.5, 0.99)).tolist()
        own = [time_call(call) * 1e3 for call in alone[name]][WARM_UP:]
        report[name] = {"p50_ms": p50, "p99_ms": p99, "alone_p50_ms": float(np.median(own))}
    return report


def _draw_bodies(history: History, *, seed: int) -> list[dict[str, object]]:
    pairs = draw_pairs(history, N_REQUESTS + WARM_UP, seed=seed)
    return [
        {"user_id": user, "movie_id": movie}
        for user, movie in zip(pairs.user_ids.tolist(), pairs.movie_ids.tolist(), strict=True)
    ]


def _build_empty() -> FastAPI:
    app = FastAPI()

    @app.post("/v1/predict")
    async def answer() -> dict[str, bool]:
        return {"ok": True}

    return app


def _build_constant(live: LiveService) -> FastAPI:
    app = FastAPI()
    app.router.route_class = JsonRoute
    constant = live.service.predict(PredictRequest(ratings=[], movie_id=1))

    @app.post("/v1/predict")
    async def answer(request: PredictRequest) -> PredictAnswer:  # ruff: ignore[unused-function-argument] - it is read and checked all the same
        return constant

    return app


def _build_network_call(bundle: Bundle) -> Callable[[], object]:
    """What runs the network once, for a known user where the bundle stores vectors."""
    n_features = len(bundle.manifest["feature_names"])
    if bundle.vectors is None:
        session = open_session(bundle.network_path, OUTPUT_NAMES)
        features = np.ones((1, n_features), dtype=np.float32)
        return lambda: session.run(OUTPUT_NAMES, {"features": features})
    known = KnownUserSession(bundle.known_users_path, bundle.vectors, n_features=n_features)
    return lambda: known.predict_few([(1.0,) * n_features], [0], [1])


def measure_cold_start(bundle: Bundle) -> dict[str, float]:
    """Time a process from its start to its first answer, beside one that only imports; medians, seconds.

    Args:
        bundle: what to serve.
    """
    pairs = draw_pairs(bundle.history, 1, seed=2)
    arguments = [str(pairs.user_ids[0]), str(pairs.movie_ids[0])]
    served = str(bundle.path.resolve())
    times: dict[str, list[float]] = {"bare": [], "cold": []}
    for _ in range(N_STARTS):
        for name, code in (("bare", _BARE), ("cold", _COLD)):
            started = repr(time.time())
            # as installed, with bytecode: compiling it anew at each start would take 0.05 s more
            environment = {"MODEL_BUNDLE": served, "PYTHONDONTWRITEBYTECODE": ""}
            times[name].append(run_apart(["-c", code, started, *arguments], **environment))
    return {name: float(np.median(values)) for name, values in times.items()}


def measure_bulk(bundle: Bundle) -> dict[str, float]:
    """Time scoring of many pairs and recommendations over all movies.

    Args:
        bundle: what to score with.
    """
    predictor = Predictor(bundle)
    search = find_compiled_search(bundle)

    def score(n: int) -> float:
        """Seconds that so many pairs take."""
        pairs = draw_pairs(bundle.history, n, seed=3)
        cuts = np.full(n, NO_CUT, dtype=np.int32)
        return time_call(lambda: score_pairs(predictor, pairs, cuts, search=search))

    few = min(N_FEW, N_SCORED)
    score(few)  # compiles
    n = min(N_SCORED, max(few, int(few * SCORING_SECONDS / score(few))))
    score(n)  # the files are in memory after this
    report = {"scored_pairs_per_s": n / score(n)}
    if bundle.vectors is not None:
        users = np.random.default_rng(4).choice(bundle.history.user_ids, N_RECOMMENDATIONS)
        times = [time_call(partial(predictor.recommend, user, n=100)) for user in users.tolist()]
        report["recommend_p50_ms"] = float(np.median(times) * 1e3)
        report["recommend_p99_ms"] = float(np.quantile(times, 0.99) * 1e3)
    return report


def measure_neighbours(ratings: Ratings, *, with_peer: bool) -> dict[str, float]:
    """Time one pass of the neighbour features over all rows with the whole history.

    Args:
        ratings: the rows; the history is all of them, each row's own rating left out.
        with_peer: whether to time scikit-surprise's user-kNN on the same rows too.
    """
    history = build_history(ratings)
    contexts, queries = build_test_queries(history, ratings)
    queries = replace(queries, own_codes=(ratings.stars * 2).astype(np.uint8))
    search, views = build_whole_search(history), view_history(history)
    search(views, contexts, queries.take(np.arange(len(queries)) < 100))  # compiles
    times = [time_call(lambda: search(views, contexts, queries)) for _ in range(3)]
    report = {"rows": float(len(queries)), "rows_per_s": len(queries) / float(np.median(times))}
    if with_peer:
        peer = build_method(PEER, seed=1)
        started = time.perf_counter()
        peer.fit(ratings)
        peer.predict(ratings)
        report["peer_rows_per_s"] = len(queries) / (time.perf_counter() - started)
    return report


def draw_pairs(history: History, n: int, *, seed: int) -> Pairs:
    """Draw pairs of a user and a movie that the user has not rated, both by how many ratings they have.

    A pair that has been rated is another question, many times as dear: its rating has to be hidden.

    Args:
        history: whom and what to draw.
        n: how many pairs.
        seed: chooses them.

    Raises:
        DataError: if hardly any pair is unrated.
    """
    rng = np.random.default_rng(seed)
    drawn = [_draw_pair(history, rng) for _ in range(n)]
    users, movies = np.array(drawn, dtype=np.int64).reshape(n, 2).T
    return Pairs(
        user_ids=history.user_ids[users],
        movie_ids=history.movie_ids[movies],
        days=None,
        stars=None,
        is_prize_query=False,
    )


def time_call(call: Callable[[], object]) -> float:
    """How long one call takes, seconds.

    Args:
        call: what to time.
    """
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _draw_pair(history: History, rng: np.random.Generator) -> tuple[int, int]:
    """The indices of a user and a movie."""
    for _ in range(MOST_TRIES):
        by_user, by_movie = rng.integers(history.n_ratings, size=2)
        user = int(np.searchsorted(history.user_offsets, by_user, side="right")) - 1
        movie = int(history.user_movies[by_movie])
        if movie not in history.user_movies[history.user_rows(user)]:
            return user, movie
    raise DataError(
        f"{history.n_users:,} users have rated nearly all of {history.n_movies:,} movies: "
        "expected data with pairs to ask about that nobody has rated"
    )


def _build_event(body: dict[str, object]) -> dict[str, Any]:
    """An HTTP API event that posts a body to /v1/predict."""
    http = {"method": "POST", "path": "/v1/predict", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    return {
        "version": "2.0",
        "rawPath": "/v1/predict",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "localhost"},
        "requestContext": {"http": http, "stage": "$default"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
