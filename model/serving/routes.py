"""The routes of the service: what is asked by HTTP, answered by the service that is live at the time.

They are coroutines without a thread behind them: a prediction takes less time than handing it over.
"""

from fastapi import APIRouter

from model.serving import problems
from model.serving.live import LiveService
from model.serving.schemas import (
    Liveness,
    OriginalAnswer,
    OriginalRequest,
    PredictAnswer,
    PredictRequest,
    Readiness,
)

_PROBLEM_CONTENT = {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}
_REFUSALS: dict[int | str, dict[str, object]] = {
    400: {"description": "The body is not JSON", "content": _PROBLEM_CONTENT},
    413: {"description": "The body is too large", "content": _PROBLEM_CONTENT},
    415: {"description": "The body does not claim to be JSON", "content": _PROBLEM_CONTENT},
    422: {"description": "The request does not fit the schema or the scale", "content": _PROBLEM_CONTENT},
}


def build_router(live: LiveService) -> APIRouter:
    """Build the routes.

    Args:
        live: holds the service that answers.
    """
    router = APIRouter()

    @router.post("/", summary="The original request", responses=_REFUSALS)
    async def predict_original(request: OriginalRequest) -> OriginalAnswer:
        return live.service.predict_original(request)

    @router.post("/v1/predict", summary="Predict one rating and say what it rests on", responses=_REFUSALS)
    async def predict(request: PredictRequest) -> PredictAnswer:
        return live.service.predict(request)

    @router.get("/v1/model", summary="The card of the model that is served")
    async def read_model_card() -> dict[str, object]:
        return live.service.card

    @router.get("/health/live", summary="Is the process alive?")
    async def read_liveness() -> Liveness:
        return Liveness()

    @router.get("/health/ready", summary="Was the bundle verified, and does it predict?")
    async def read_readiness() -> Readiness:
        return Readiness(self_test_rating=live.service.self_test_rating)

    return router
