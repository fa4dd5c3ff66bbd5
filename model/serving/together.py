"""Requests that are under way at the same moment are predicted together.

One look-up right after another finds the processor warm, and all share one run of the network: with eight
clients a request takes half as much of the processor as when it comes alone. A request that is alone when the
event loop gets round to it is predicted at once; several are predicted as soon as a turn of the loop brings
no further one, and after a few turns in any case.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from model.serving.predictor import Prediction, Query

Predict = Callable[[Sequence[Query]], list[Prediction]]
MOST_TURNS: Final = 8
"""Turns of the event loop for which several requests wait for others at most."""

Waiting = list[tuple[Query, "asyncio.Future[Prediction]"]]


class Together:
    """Predicts for coroutines, those of one event loop at a time; safe to share between threads.

    Args:
        predict: predicts many queries.
        most: how many are predicted at once at most.
    """

    def __init__(self, predict: Predict, *, most: int) -> None:
        self._predict = predict
        self._most = most
        self._open: tuple[asyncio.AbstractEventLoop, Waiting] | None = None

    async def predict(self, query: Query) -> Prediction:
        """Predict one query, together with those of other coroutines that have asked.

        Args:
            query: what is asked.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Prediction] = loop.create_future()
        opened = self._open
        if opened is None or opened[0] is not loop or len(opened[1]) == self._most:
            opened = self._open = (loop, [])
            loop.call_soon(self._close, *opened, 1, MOST_TURNS)
        opened[1].append((query, future))
        return await future

    def _close(self, loop: asyncio.AbstractEventLoop, waiting: Waiting, n_before: int, n_turns: int) -> None:
        """Answer, unless more requests have come in the meantime: then others may be about to."""
        if n_turns and n_before < len(waiting) < self._most:
            loop.call_soon(self._close, loop, waiting, len(waiting), n_turns - 1)
        else:
            self._answer(waiting)

    def _answer(self, waiting: Waiting) -> None:
        opened = self._open
        if opened is not None and opened[1] is waiting:
            self._open = None
        try:
            predictions = self._predict([query for query, _ in waiting])
        except Exception:  # ruff: ignore[blind-except] - whatever one of them did, the others are to be answered
            predictions = []
        if not predictions:
            for query, future in waiting:
                self._answer_alone(query, future)
            return
        for (_, future), prediction in zip(waiting, predictions, strict=True):
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
