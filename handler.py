"""One module for every way to serve: `uvicorn handler:app`, `fastapi run handler.py`, `handler.handler`.

The bundle is loaded when this module is imported: on Lambda once per instance, before the first event.
The environment is read here and nowhere else: MODEL_BUNDLE names the bundle (default artifacts/bundle).
"""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it once, when it is imported

from model.bundle import load_bundle
from model.cli import USER_ERROR
from model.errors import RatingModelError
from model.serving.app import build_app
from model.serving.events import LambdaEntry
from model.serving.predictor import Predictor
from model.serving.service import Service

DEFAULT_BUNDLE = "artifacts/bundle"


def load_service(path: Path) -> Service:
    """Load and verify a bundle, and let it make its self-test prediction.

    Args:
        path: the bundle's folder.
    """
    try:
        bundle = load_bundle(path)
        return Service(Predictor(bundle), bundle.manifest)
    except RatingModelError as error:
        _stop(path, error)


def _stop(path: Path, error: RatingModelError) -> NoReturn:
    # Leaving here instead of raising spares the reader the server's own traceback; Lambda logs the line too.
    sys.stderr.write(
        f"handler: error: {error} (MODEL_BUNDLE is {path}; "
        "`python train.py` and then `python export.py` write a bundle to artifacts/bundle)\n"
    )
    raise SystemExit(USER_ERROR)


service = load_service(Path(os.environ.get("MODEL_BUNDLE") or DEFAULT_BUNDLE))
app = build_app(service)
_answer = LambdaEntry(app, service)


def handler(event: object, context: object) -> dict[str, Any]:
    """Answer one Lambda event: an HTTP event, a direct invocation or a warm-up.

    Args:
        event: what Lambda was invoked with.
        context: Lambda's context object; None in a local call.

    Returns:
        An HTTP response as the event's gateway expects it, or the answer to a direct invocation.
    """
    return _answer(event, context)
