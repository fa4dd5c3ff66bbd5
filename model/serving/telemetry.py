"""What the service shows of itself: a line of log for each answer, and metrics.

Under uvicorn the metrics are Prometheus's, at GET /metrics; on Lambda they are CloudWatch's, in the log.
"""

import logging
import time
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quote
from typing import Final, NamedTuple, Protocol

from model.serving.logs import find_sole_handler, write_moment
from model.serving.predictor import Prediction
from model.serving.settings import Settings

_MESSAGE: Final = "answered"


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
        is_cold, self._cold = self._cold, False
        if self._log.isEnabledFor(logging.INFO):
            handler = find_sole_handler(self._log)
            if handler is not None:
                handler.write_line(_write_line(answered, cold_start=is_cold))
            else:
                fields = _describe(answered, cold_start=is_cold)
                self._log.info(_MESSAGE, extra={"fields": fields})
        if self._metrics is not None:
            self._metrics.count_answer(answered)

    def record_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count predictions."""
        if self._metrics is not None:
            self._metrics.count_predictions(predictions)


def _describe(answered: Answered, *, cold_start: bool) -> dict[str, object]:
    """What the log says of a request."""
    return {
        "request_id": answered.request_id,
        "method": answered.method,
        "route": answered.route,
        "status": answered.status,
        "milliseconds": round(answered.seconds * 1e3, 2),
        "cold_start": cold_start,
    }


def _write_line(answered: Answered, *, cold_start: bool) -> str:
    """The line that `_describe` comes to in the end; quickly, because every request has one."""
    return (
        f'{{"time": "{write_moment(time.time_ns() // 1_000_000)}", "level": "info", "message": "{_MESSAGE}", '
        f'"request_id": {quote(answered.request_id)}, "method": {quote(answered.method)}, '
        f'"route": {quote(answered.route)}, "status": {answered.status}, '
        f'"milliseconds": {answered.seconds * 1e3:.2f}, "cold_start": {"true" if cold_start else "false"}}}\n'
    )


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
