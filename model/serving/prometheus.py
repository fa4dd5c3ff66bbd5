"""Metrics for Prometheus, as text at GET /metrics."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from model.serving.predictor import Prediction
from model.serving.telemetry import Answered

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series began, which doubles the text

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STARS = tuple(half / 2 for half in range(1, 11))


class PrometheusMetrics:
    """Counts in this process, or with others in the folder that prometheus_client was given.

    Args:
        multiprocess: whether PROMETHEUS_MULTIPROC_DIR names such a folder.
    """

    def __init__(self, *, multiprocess: bool = False) -> None:
        self._registry = CollectorRegistry()
        # with several processes, what is shown is read from the folder and not from here
        counts = CollectorRegistry() if multiprocess else self._registry
        self._requests = Counter(
            "recommender_requests", "Requests answered", ["method", "route", "status"], registry=counts
        )
        self._seconds = Histogram(
            "recommender_request_seconds",
            "Seconds from a request's headers to its answer's last byte",
            ["route"],
            buckets=_SECONDS,
            registry=counts,
        )
        self._stars = Histogram(
            "recommender_predicted_rating", "Stars that were predicted", buckets=_STARS, registry=counts
        )
        self._fallbacks = Counter(
            "recommender_fallbacks",
            "Predictions that rest on less than they should",
            ["reason"],
            registry=counts,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        if multiprocess:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]  # half typed
        else:
            ProcessCollector(registry=self._registry)

    def count_answer(self, answered: Answered) -> None:
        """Count one request."""
        labels = (answered.method, answered.route, answered.status)
        if labels not in self._children:  # finding them takes longer than counting
            self._children[labels] = (
                self._requests.labels(answered.method, answered.route, str(answered.status)),
                self._seconds.labels(answered.route),
            )
        requests, seconds = self._children[labels]
        requests.inc()
        seconds.observe(answered.seconds)

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count predictions, their stars and what they had to do without."""
        for prediction in predictions:
            self._stars.observe(prediction.predicted_rating)
            if prediction.fallback is not None:
                self._fallbacks.labels(prediction.fallback).inc()

    def render(self) -> bytes:
        """Write all metrics down, in the text format of Prometheus."""
        return generate_latest(self._registry)
