"""A new bundle in place of the one that is served: good ones take over, bad ones change nothing."""

import asyncio
import logging
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from asgi_client import AsgiClient
from fake_predictor import FakePredictor
from small_bundle import CARD

from model.bundle import MANIFEST
from model.errors import ArtifactIncompatibleError, ArtifactMissingError
from model.folders import replace_folder
from model.serving.app import build_app
from model.serving.catalogue import Catalogue
from model.serving.live import LiveService
from model.serving.reload import ATTEMPTS, BundleWatcher, load_settled, sign_folder
from model.serving.service import Service

Load = Callable[[Path], Service]


@dataclass
class FakeLoad:
    """Makes a service whose `created` is the text of the manifest, or raises what it was told to."""

    catalogue: Catalogue
    loaded: list[str] = field(default_factory=list)
    error: Exception | None = None
    meanwhile: Callable[[], None] = lambda: None
    """What happens while it loads."""

    def __call__(self, path: Path) -> Service:
        text = (path / MANIFEST).read_text()
        self.loaded.append(text)
        self.meanwhile()
        if self.error is not None:
            raise self.error
        return Service(FakePredictor(), {**CARD, "created": text}, self.catalogue)


@pytest.fixture
def load(catalogue: Catalogue) -> FakeLoad:
    return FakeLoad(catalogue)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that looks like a bundle, the first."""
    put(tmp_path / "bundle", "first")
    return tmp_path / "bundle"


def put(path: Path, text: str) -> None:
    """Put a folder with that manifest in place, as export.py does."""
    new = path.with_name(f"{path.name}.new")
    (new / "history").mkdir(parents=True)
    (new / MANIFEST).write_text(text)
    (new / "history" / "user_ids.npy").write_text(text)
    replace_folder(new, path)
    if new.exists():
        for file in (new / MANIFEST, new / "history" / "user_ids.npy"):
            file.unlink()
        (new / "history").rmdir()
        new.rmdir()


@pytest.fixture
def live(path: Path, load: FakeLoad) -> LiveService:
    """Serves the first."""
    return LiveService(load(path))


@pytest.fixture
def watcher(live: LiveService, path: Path, load: FakeLoad) -> BundleWatcher:
    return BundleWatcher(live, path, load, seen=sign_folder(path), seconds=0.01)


def test_watcher_changes_nothing_when_the_files_are_the_same(
    watcher: BundleWatcher, live: LiveService, load: FakeLoad
) -> None:
    """Looking costs no loading."""
    before = live.service
    watcher.look()
    assert live.service is before
    assert load.loaded == ["first"]


def test_watcher_lets_the_new_bundle_answer_when_it_is_good(
    watcher: BundleWatcher, live: LiveService, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same application answers from the new bundle, and the log says which one that is."""
    client = AsgiClient(build_app(live))
    assert client.get("/health/ready").json()["created"] == "first"
    put(path, "second")
    with caplog.at_level(logging.INFO):
        watcher.look()
    assert client.get("/health/ready").json()["created"] == "second"
    [record] = [record for record in caplog.records if record.message == "bundle replaced"]
    assert vars(record)["fields"]["created"] == "second"


@pytest.mark.parametrize("error", [ArtifactIncompatibleError("a file is changed"), ValueError("who knows")])
def test_watcher_keeps_the_old_bundle_and_says_so_once_when_the_new_one_is_bad(
    watcher: BundleWatcher,
    live: LiveService,
    path: Path,
    load: FakeLoad,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """Whatever is wrong with it: tried once, logged once; a good one after it is taken."""
    put(path, "bad")
    load.error = error
    for _ in range(3):
        watcher.look()
    assert live.service.card.created == "first"
    assert load.loaded == ["first", "bad"]
    assert [record.message for record in caplog.records] == ["bundle refused, the old one stays"]
    load.error = None
    put(path, "good")
    watcher.look()
    assert live.service.card.created == "good"


@pytest.mark.parametrize("name", [MANIFEST, "history/user_ids.npy"])
def test_watcher_tries_again_when_any_file_of_a_bad_bundle_changes(
    watcher: BundleWatcher, live: LiveService, path: Path, load: FakeLoad, name: str
) -> None:
    """A bundle that is copied file by file is refused until the last one is there."""
    put(path, "half")
    load.error = ArtifactMissingError("a file is missing")
    watcher.look()
    load.error = None
    os.utime(path / name, (1, 1))
    watcher.look()
    assert live.service.card.created == "half"


def test_watcher_waits_when_the_folder_is_gone(
    watcher: BundleWatcher, live: LiveService, path: Path, load: FakeLoad
) -> None:
    """Between two renames there is none: that is no reason to complain, nor to stop."""
    path.rename(path.with_name("aside"))
    watcher.look()
    assert live.service.card.created == "first"
    put(path, "second")
    watcher.look()
    assert live.service.card.created == "second"
    assert load.loaded == ["first", "second"]


def test_watcher_follows_when_the_bundle_is_a_symbolic_link(
    live: LiveService, path: Path, tmp_path: Path, load: FakeLoad
) -> None:
    """Pointing the link to another folder is a new bundle."""
    link = tmp_path / "current"
    link.symlink_to(path)
    watcher = BundleWatcher(live, link, load, seen=sign_folder(link), seconds=1)
    watcher.look()
    assert live.service.card.created == "first"
    put(tmp_path / "other", "second")
    link.unlink()
    link.symlink_to(tmp_path / "other")
    watcher.look()
    assert live.service.card.created == "second"


def test_watcher_lets_go_of_the_old_bundle_when_it_is_replaced(
    watcher: BundleWatcher, live: LiveService, path: Path
) -> None:
    """Nothing keeps it alive once no request uses it, so memory does not grow with every bundle."""
    old = weakref.ref(live.service)
    put(path, "second")
    watcher.look()
    assert old() is None


def test_load_settled_takes_the_newer_bundle_when_it_comes_while_the_older_is_loaded(
    path: Path, load: FakeLoad
) -> None:
    """What was loaded half from the one and half from the other is thrown away."""

    def replace_once() -> None:
        load.meanwhile = lambda: None
        put(path, "second")

    load.meanwhile = replace_once
    service, signature = load_settled(path, load)
    assert service.card.created == "second"
    assert signature == sign_folder(path)
    assert load.loaded == ["first", "second"]


def test_load_settled_forgives_an_error_when_the_bundle_was_replaced_meanwhile(
    path: Path, load: FakeLoad
) -> None:
    """A mixture that fails to verify says nothing about the bundle that is there now."""

    def replace_once() -> None:
        load.meanwhile, load.error = lambda: setattr(load, "error", None), ArtifactIncompatibleError("mixed")
        put(path, "second")

    load.meanwhile = replace_once
    assert load_settled(path, load)[0].card.created == "second"


def test_load_settled_gives_up_when_the_bundle_never_rests(path: Path, load: FakeLoad) -> None:
    """After three attempts it is an error that names the bundle."""
    load.meanwhile = lambda: put(path, f"number {len(load.loaded)}")
    with pytest.raises(ArtifactIncompatibleError, match="changed 3 times"):
        load_settled(path, load)
    assert len(load.loaded) == ATTEMPTS


def test_sign_folder_is_none_when_there_is_no_bundle(tmp_path: Path) -> None:
    """Neither a missing folder nor one without a manifest is a bundle."""
    assert sign_folder(tmp_path / "nowhere") is None
    assert sign_folder(tmp_path) is None
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    assert sign_folder(tmp_path) is None


def test_watcher_runs_for_as_long_as_the_server_does_when_watching(
    watcher: BundleWatcher, live: LiveService, path: Path, load: FakeLoad
) -> None:
    """A new bundle is found without anybody asking, and the end of the lifespan ends the watching."""

    async def serve() -> int:
        found = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(found.set)

        load.meanwhile = tell
        async with asyncio.timeout(30), watcher.watch(None):
            put(path, "second")
            await found.wait()
        return len(asyncio.all_tasks())

    assert asyncio.run(serve()) == 1
    assert live.service.card.created == "second"
