"""One module for every way to serve: `uvicorn handler:app`, `fastapi run handler.py`, `handler.handler`.

The bundle is loaded when this module is imported: on Lambda once per instance, before the first event.
The environment is read here and nowhere else, once; model/serving/settings.py says which variables there are.
"""

import gc
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NoReturn

gc.disable()  # a start makes many objects and drops few: collecting in between would take a tenth of it
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it once, when it is imported

from model.bundle import load_bundle
from model.cli import USER_ERROR
from model.errors import ConfigError, RatingModelError
from model.serving.access import check_start
from model.serving.app import build_app
from model.serving.event_file import parse_arguments, run_event_file
from model.serving.events import LambdaEntry
from model.serving.live import LiveService
from model.serving.logs import configure_logging
from model.serving.reload import BundleWatcher, Signature, load_settled
from model.serving.service import Service
from model.serving.settings import Settings, read_settings
from model.serving.telemetry import Telemetry, build_telemetry

WORKER_FAILED = 3
"""Exit status of a worker, one of several, that makes uvicorn give up; after others it starts it again."""


def stop(reason: str) -> NoReturn:
    """End the process with one line on standard error.

    Leaving instead of raising spares the reader the server's own traceback; Lambda logs the line too.

    Args:
        reason: what is wrong and what would be accepted.
    """
    sys.stderr.write(f"handler: error: {reason}\n")
    raise SystemExit(WORKER_FAILED if parent_process() else USER_ERROR)


def load_settings() -> Settings:
    """Read the environment, begin the log, and refuse to start open on a public address.

    Raises:
        SystemExit: if a variable makes no sense, or the service would be open without anyone having said so.
    """
    try:
        settings = read_settings(os.environ)
        configure_logging(settings.log_level)
        check_start(settings, sys.argv, os.environ)
    except ConfigError as error:
        stop(str(error))
    return settings


def load_service(path: Path, *, settings: Settings, telemetry: Telemetry) -> Service:
    """Load and verify a bundle, and let it make its self-test prediction.

    Args:
        path: the bundle's folder.
        settings: what the service shows to whom.
        telemetry: counts its predictions.
    """
    return Service.from_bundle(
        load_bundle(path), show_user_ids=settings.show_users, observe=telemetry.record_predictions
    )


def load_first(path: Path, load: Callable[[Path], Service]) -> tuple[Service, Signature | None]:
    """Load the bundle to begin with.

    Args:
        path: the bundle's folder.
        load: loads it.

    Returns:
        The service and the signature of its files.

    Raises:
        SystemExit: if it cannot be served, after one line on standard error that says why.
    """
    try:
        return load_settled(path, load)
    except (RatingModelError, OSError) as error:
        stop(
            f"{error} (MODEL_BUNDLE is {path}; "
            "`python train.py` and then `python export.py` write a bundle to artifacts/bundle)"
        )


@asynccontextmanager
async def run_beside(application: object) -> AsyncGenerator[None]:
    """Do what goes on for as long as a server runs the application: its lifespan; Lambda runs none.

    Args:
        application: the one that is run.
    """
    configure_logging(_settings.log_level)  # `fastapi run` has set up its own after this module was imported
    live.has_company = True
    try:
        async with _watcher.watch(application) if _settings.reload_seconds else nullcontext():
            yield
    finally:
        live.has_company = False


if __name__ == "__main__":
    _arguments = parse_arguments(sys.argv[1:])  # --help, or a mistyped flag, needs no bundle
_settings = load_settings()
_telemetry = build_telemetry(_settings)
_load = partial(load_service, settings=_settings, telemetry=_telemetry)
_service, _signature = load_first(_settings.bundle, _load)
live = LiveService(_service)
_watcher = BundleWatcher(live, _settings.bundle, _load, seen=_signature, seconds=_settings.reload_seconds)
app = build_app(live, _settings, _telemetry, run_beside)
_entry = LambdaEntry(app, live, _telemetry, base_path=_settings.base_path)
del _service  # the live service holds it, until another takes its place
gc.freeze()  # what was loaded stays: later collections need not look at it
gc.enable()


def handler(event: object, context: object) -> dict[str, Any]:
    """Answer one Lambda event: an HTTP event, a direct invocation or a warm-up.

    Args:
        event: what Lambda was invoked with.
        context: Lambda's context object; None in a local call.

    Returns:
        An HTTP response as the event's gateway expects it, or the answer to a direct invocation.
    """
    return _entry(event, context)


if __name__ == "__main__":
    sys.exit(run_event_file(_arguments, handler))
