"""What the service shows of itself: a line of log for each answer, and metrics.

Under uvicorn the metrics are Prometheus's, at GET /metrics; on Lambda they are CloudWatch's, in the log.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from model.serving.predictor import Prediction
from model.serving.settings import Settings


class Answered(NamedTuple):
    """A request that was answered, without anything that tells whose it was."""

    request_id: str
    method: str
    """HTTP's, or `other`; `INVOKE` for a direct invocation of the Lambda function."""
    route: str
    """The route's template, such as /v1/movies/{movie_id}; `none` where nothing was found or let in."""
    status: int
    """HTTP status code."""
    seconds: float
    """From the request's headers to the answer's last byte."""


class Metrics(Protocol):
    """Counts what is answered."""

    def count_answer(self, answered: Answered) -> None:
        """Count one request, once its predictions are counted."""

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count predictions, their stars and what they had to do without."""


class Telemetry:
    """Logs and counts.

    Args:
        metrics: count what is answered; None counts nothing.
        render: writes the metrics down for whoever asks; None where they are sent instead.
    """

    def __init__(self, metrics: Metrics | None = None, *, render: Callable[[], bytes] | None = None) -> None:
        self.render = render
        self._metrics = metrics
        self._cold = True
        self._log = logging.getLogger(__name__)

    def record_answer(self, answered: Answered) -> None:
        """Log and count one request; the first of the process is marked as its cold start."""
        fields = {
            "request_id": answered.request_id,
            "method": answered.method,
            "route": answered.route,
            "status": answered.status,
            "milliseconds": round(answered.seconds * 1e3, 2),
            "cold_start": self._cold,
        }
        self._cold = False
        if self._log.isEnabledFor(logging.INFO):
            # what info() does, but for walking the stack to find out who logs
            self._log.handle(
                self._log.makeRecord(
                    __name__, logging.INFO, "", 0, "answered", (), None, extra={"fields": fields}
                )
            )
        if self._metrics is not None:
            self._metrics.count_answer(answered)

    def record_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count predictions."""
        if self._metrics is not None:
            self._metrics.count_predictions(predictions)


def build_telemetry(settings: Settings) -> Telemetry:
    """Build the telemetry of the platform at hand, and import no other's: a cold start is short.

    Args:
        settings: say which platform that is.
    """
    if settings.function_name:
        from model.serving.cloudwatch import CloudWatchMetrics  # ruff: ignore[import-outside-top-level]

        return Telemetry(CloudWatchMetrics(settings.function_name))
    from model.serving.prometheus import PrometheusMetrics  # ruff: ignore[import-outside-top-level]

    metrics = PrometheusMetrics(multiprocess=settings.share_metrics)
    return Telemetry(metrics, render=metrics.render)
