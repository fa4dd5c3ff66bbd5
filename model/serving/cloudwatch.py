"""Metrics for CloudWatch: a line of embedded metric format (EMF) on standard output for each invocation.

Lambda hands standard output to CloudWatch Logs, which turns such lines into metrics; no call is made. Each is
kept by service (the function's name) and route.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.metrics.functions import is_metrics_disabled

from model.serving.predictor import Prediction
from model.serving.telemetry import Answered

NAMESPACE: Final = "Recommender"

_SLOT: Final = "to be filled in"
"""Stands in a form for a value to fill in; nothing else there is this text."""
_VARYING: Final = ("Refusals", "Errors", "Latency", "PredictedRating")
"""What is filled in, after the time, in the order of the metrics."""


class CloudWatchMetrics:
    """Collects an invocation's metrics and writes them when it is answered.

    Powertools takes longer over a line than the network over a prediction. Most lines differ in a few numbers
    only: so it writes such a line once, and the numbers are filled in from then on.

    Args:
        service: the function's name.
    """

    def __init__(self, service: str) -> None:
        self._is_disabled = is_metrics_disabled()
        self._metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
        self._predictions: list[Prediction] = []
        self._forms: dict[tuple[str, str, int], list[str]] = {}

    def count_answer(self, answered: Answered) -> None:
        """Count one request, and write down what was counted since the one before it."""
        predictions, self._predictions = self._predictions, []
        if self._is_disabled:
            return
        if len(predictions) > 1 or any(prediction.fallback for prediction in predictions):
            self._add(answered, predictions)
            if self._metrics.metric_set:
                self._metrics.flush_metrics()
            self._metrics.clear_metrics()  # a line written because it was full has left its dimensions
        else:
            sys.stdout.write(self._fill_in(answered, predictions))

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Keep predictions until the request that they answer is counted."""
        self._predictions.extend(predictions)

    def _fill_in(self, answered: Answered, predictions: Sequence[Prediction]) -> str:
        kind = (answered.method, answered.route, len(predictions))
        if kind not in self._forms:
            self._forms[kind] = self._build_form(answered, predictions)
        values = (
            str(time.time_ns() // 1_000_000),
            "1" if 400 <= answered.status < 500 else "0",
            "1" if answered.status >= 500 else "0",
            f"{answered.seconds * 1e3:.2f}",
            *(f"{prediction.predicted_rating:.2f}" for prediction in predictions),
            "\n",
        )
        return "".join(part + value for part, value in zip(self._forms[kind], values, strict=True))

    def _build_form(self, answered: Answered, predictions: Sequence[Prediction]) -> list[str]:
        """The text around the values in the line for such a request, as Powertools writes it."""
        self._add(answered, predictions)
        line: dict[str, Any] = {**self._metrics.serialize_metric_set()}
        self._metrics.clear_metrics()
        line["_aws"]["Timestamp"] = _SLOT
        line |= {name: [_SLOT] for name in _VARYING if name in line}
        return json.dumps(line, separators=(",", ":")).split(json.dumps(_SLOT))

    def _add(self, answered: Answered, predictions: Sequence[Prediction]) -> None:
        metrics = self._metrics
        metrics.add_dimension("route", f"{answered.method} {answered.route}")
        metrics.add_metric("Requests", MetricUnit.Count, 1)
        metrics.add_metric("Refusals", MetricUnit.Count, 400 <= answered.status < 500)
        metrics.add_metric("Errors", MetricUnit.Count, answered.status >= 500)
        metrics.add_metric("Latency", MetricUnit.Milliseconds, round(answered.seconds * 1e3, 2))
        metrics.add_metric("Predictions", MetricUnit.Count, len(predictions))
        reasons = Counter(prediction.fallback for prediction in predictions if prediction.fallback)
        for reason, n_predictions in reasons.items():
            metrics.add_metric(f"Fallbacks.{reason}", MetricUnit.Count, n_predictions)
        for prediction in predictions:  # a line holds a hundred values and is written when it is full
            metrics.add_metric("PredictedRating", MetricUnit.NoUnit, round(prediction.predicted_rating, 2))
