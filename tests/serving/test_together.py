"""Queries that are asked at the same moment: predicted together, answered each for itself."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fake_predictor import CURSED_MOVIE, KNOWN_MOVIE, KNOWN_USER, REFUSED_MOVIE, FakePredictor
from small_bundle import CARD

from model.errors import PredictionError
from model.serving.app import build_app
from model.serving.catalogue import Catalogue
from model.serving.live import LiveService
from model.serving.predictor import Prediction, Query
from model.serving.service import Service
from model.serving.together import MOST_TURNS, Together


class Recorder(FakePredictor):
    """A predictor that remembers how many queries it was asked at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        self.sizes.append(len(queries))
        return super().predict(queries)


@pytest.mark.parametrize(("has_company", "sizes"), [(True, [3]), (False, [1, 1, 1])])
def test_requests_are_predicted_together_when_they_have_company(
    catalogue: Catalogue, sizes: list[int], *, has_company: bool
) -> None:
    """Three requests at the same moment; one of them is refused, which is nothing to the others."""
    recorder = Recorder()
    live = LiveService(Service(recorder, CARD, catalogue), has_company=has_company)

    async def run() -> list[int]:
        transport = httpx.ASGITransport(build_app(live))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            bodies: list[object] = [
                {"user_id": KNOWN_USER, "movie_id": movie} for movie in (KNOWN_MOVIE, 1, 2)
            ]
            bodies.append({"ratings": [{"movie_id": 1, "rating": 9}], "movie_id": 2})
            answers = await asyncio.gather(*(client.post("/v1/predict", json=body) for body in bodies))
            return [answer.status_code for answer in answers]

    assert asyncio.run(run()) == [200, 200, 200, 422]
    assert recorder.sizes == sizes


def ask(movie_id: int) -> Query:
    """A known user's query."""
    return Query(user_id=KNOWN_USER, movie_id=movie_id)


def predict(together: Together) -> float:
    """What a coroutine that is alone is told of the known movie, on a new event loop."""
    return asyncio.run(together.predict(ask(KNOWN_MOVIE))).predicted_rating


def test_queries_are_predicted_in_one_pass_when_asked_at_the_same_moment() -> None:
    """Each coroutine gets its own answer: 3.25 for the known movie, 3.5 for others."""
    recorder = Recorder()
    together = Together(recorder.predict, most=10)

    async def run() -> list[Prediction]:
        movies = [KNOWN_MOVIE, 1, 2, KNOWN_MOVIE]
        return await asyncio.gather(*(together.predict(ask(movie)) for movie in movies))

    assert [answer.predicted_rating for answer in asyncio.run(run())] == [3.25, 3.5, 3.5, 3.25]
    assert recorder.sizes == [4]


@pytest.mark.parametrize(("n_first", "sizes"), [(1, [1, 1]), (2, [3])])
def test_query_joins_others_but_not_one_that_is_alone_when_it_comes_a_turn_later(
    n_first: int, sizes: list[int]
) -> None:
    """Several wait for as long as others come; one alone does not."""
    recorder = Recorder()
    together = Together(recorder.predict, most=10)

    async def ask_late() -> Prediction:
        await asyncio.sleep(0)
        return await together.predict(ask(KNOWN_MOVIE))

    async def run() -> list[Prediction]:
        return await asyncio.gather(*(together.predict(ask(1)) for _ in range(n_first)), ask_late())

    assert asyncio.run(run())[-1].predicted_rating == pytest.approx(3.25)
    assert recorder.sizes == sizes


def test_queries_wait_a_few_turns_when_each_brings_another() -> None:
    """Two at first and then one a turn, for eight turns: ten together, the rest in later passes."""
    recorder = Recorder()
    together = Together(recorder.predict, most=1_000)

    async def ask_in(n_turns: int) -> Prediction:
        for _ in range(n_turns):
            await asyncio.sleep(0)
        return await together.predict(ask(1))

    async def run() -> list[Prediction]:
        return await asyncio.gather(ask_in(0), *(ask_in(turn) for turn in range(100)))

    assert len(asyncio.run(run())) == 101
    assert recorder.sizes[0] == 2 + MOST_TURNS
    assert sum(recorder.sizes) == 101


def test_queries_beyond_the_most_are_predicted_in_the_next_pass() -> None:
    """Seven by three at a time: 3, 3 and 1."""
    recorder = Recorder()
    together = Together(recorder.predict, most=3)

    async def run() -> list[Prediction]:
        return await asyncio.gather(*(together.predict(ask(movie)) for movie in range(1, 8)))

    assert len(asyncio.run(run())) == 7
    assert recorder.sizes == [3, 3, 1]


def test_query_is_predicted_at_once_when_it_is_alone() -> None:
    """One after another, and on a new event loop each time, as Lambda and tests have it."""
    recorder = Recorder()
    together = Together(recorder.predict, most=3)
    for _ in range(2):
        assert predict(together) == pytest.approx(3.25)
    assert recorder.sizes == [1, 1]


def test_others_are_answered_when_one_query_fails() -> None:
    """The failed ones get their own errors, a refusal and a bug alike."""
    together = Together(Recorder().predict, most=10)

    async def run() -> list[Prediction | BaseException]:
        movies = [KNOWN_MOVIE, CURSED_MOVIE, REFUSED_MOVIE, 1]
        asked = [together.predict(ask(movie)) for movie in movies]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, bug, refusal, last = asyncio.run(run())
    assert isinstance(first, Prediction)
    assert isinstance(last, Prediction)
    assert isinstance(bug, ZeroDivisionError)
    assert isinstance(refusal, PredictionError)


@pytest.mark.parametrize("movie", [KNOWN_MOVIE, CURSED_MOVIE])
def test_others_are_answered_when_one_has_hung_up(movie: int) -> None:
    """A cancelled wait is left alone."""
    together = Together(Recorder().predict, most=10)

    async def run() -> Prediction:
        gone = asyncio.ensure_future(together.predict(ask(movie)))
        stays = asyncio.ensure_future(together.predict(ask(KNOWN_MOVIE)))
        await asyncio.sleep(0)  # both have asked, nothing is predicted yet
        gone.cancel()
        return await stays

    assert asyncio.run(run()).predicted_rating == pytest.approx(3.25)


def test_everybody_is_answered_when_two_threads_ask() -> None:
    """Each thread has an event loop of its own, and more queries than are predicted at once."""
    together = Together(FakePredictor().predict, most=3)

    async def run() -> list[Prediction]:
        asked = [
            asyncio.wait_for(together.predict(ask(movie)), timeout=20)
            for _ in range(20)
            for movie in (KNOWN_MOVIE, 1, 2, 3)
        ]
        return await asyncio.gather(*asked)

    with ThreadPoolExecutor(2) as threads:
        for answers in threads.map(lambda _: asyncio.run(run()), range(8)):
            assert [answer.predicted_rating for answer in answers] == [3.25, 3.5, 3.5, 3.5] * 20


def test_query_is_answered_when_another_loop_stopped_before_its_own_was() -> None:
    """What was asked on a loop that no longer runs holds nobody up."""
    recorder = Recorder()
    together = Together(recorder.predict, most=10)
    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    left = loop.create_task(together.predict(ask(1)))
    loop.run_forever()  # one turn: the query has been asked, not yet answered
    assert predict(together) == pytest.approx(3.25)
    assert recorder.sizes == [1]
    left.cancel()
    loop.run_until_complete(asyncio.gather(left, return_exceptions=True))
    loop.close()
