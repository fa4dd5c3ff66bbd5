"""Metrics for CloudWatch: a line of embedded metric format (EMF) on standard output for each invocation.

Lambda hands standard output to CloudWatch Logs, which turns such lines into metrics; no call is made. Each is
kept by service (the function's name) and route.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from model.serving.predictor import Prediction
from model.serving.telemetry import Answered

NAMESPACE: Final = "Recommender"


class CloudWatchMetrics:
    """Collects an invocation's metrics and writes them when it is answered.

    Args:
        service: the function's name.
    """

    def __init__(self, service: str) -> None:
        self._metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
        self._predictions: list[Prediction] = []

    def count_answer(self, answered: Answered) -> None:
        """Count one request, and write down what was counted since the one before it."""
        metrics = self._metrics
        metrics.add_dimension("route", f"{answered.method} {answered.route}")
        metrics.add_metric("Requests", MetricUnit.Count, 1)
        metrics.add_metric("Refusals", MetricUnit.Count, 400 <= answered.status < 500)
        metrics.add_metric("Errors", MetricUnit.Count, answered.status >= 500)
        metrics.add_metric("Latency", MetricUnit.Milliseconds, round(answered.seconds * 1e3, 2))
        metrics.add_metric("Predictions", MetricUnit.Count, len(self._predictions))
        reasons = Counter(prediction.fallback for prediction in self._predictions if prediction.fallback)
        for reason, n_predictions in reasons.items():
            metrics.add_metric(f"Fallbacks.{reason}", MetricUnit.Count, n_predictions)
        for prediction in self._predictions:  # a line holds a hundred values and is written when it is full
            metrics.add_metric("PredictedRating", MetricUnit.NoUnit, round(prediction.predicted_rating, 2))
        self._predictions = []
        if metrics.metric_set:
            metrics.flush_metrics()
        metrics.clear_metrics()  # a line that was written because it was full has left its dimensions

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Keep predictions until the request that they answer is counted."""
        self._predictions.extend(predictions)
