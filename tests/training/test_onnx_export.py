"""From run to bundle: ONNX predicts what torch predicts, whatever the sizes, or there is no bundle."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from builders import Rated, make_history
from network_builders import OVERALL_MEAN, build_network, draw_posterior
from numpy.typing import NDArray
from tiny_run import change_training, list_folder

from model.batches import INPUT_NAMES, OUTPUT_NAMES
from model.bundle import NETWORK, load_bundle, read_manifest
from model.errors import ArtifactError, ArtifactIncompatibleError, ArtifactMissingError
from model.features import FULL_FEATURES, SEED_FEATURES
from model.table import Ratings
from model.training import onnx_export
from model.training.base import Base
from model.training.checkpoint import read_checkpoint
from model.training.network import Heads, RatingNetwork, UserEncoder
from model.training.onnx_export import (
    N_PARITY_ROWS,
    OPSET,
    TOLERANCE,
    choose_parity_queries,
    compare_with_torch,
    export_run,
    share_tables,
    write_network,
    write_vectors,
)
from model.training.run import train_run
from model.training.runs import METRICS
from model.training.runs import NETWORK as NETWORK_FILE
from model.vectors import MOVIE_LINKS, MOVIE_TABLE, read_vectors


@pytest.fixture(scope="module")
def session(bundle_path: Path) -> onnxruntime.InferenceSession:
    """The exported network."""
    return onnxruntime.InferenceSession(bundle_path / NETWORK, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def network(run_path: Path) -> RatingNetwork:
    """The network it was exported from."""
    return read_checkpoint(run_path).network


def make_feeds(
    rng: np.random.Generator, *, n_queries: int, n_users: int, length: int
) -> dict[str, NDArray[Any]]:
    """Random inputs of these sizes, a third of the contexts being padding."""
    return {
        "features": rng.normal(3, 1, (n_queries, len(FULL_FEATURES))).astype(np.float32),
        "context_movies": rng.integers(0, 41, (n_users, length)),
        "context_stars": rng.integers(1, 6, (n_users, length)).astype(np.float32),
        "context_weights": (rng.random((n_users, length)) < 2 / 3).astype(np.float32),
        "users": rng.integers(0, n_users, n_queries),
        "movies": rng.integers(0, 41, n_queries),
    }


@pytest.mark.parametrize(
    ("n_queries", "n_users", "length"),
    [(1, 1, 1), (1, 1, 30), (7, 1, 4), (7, 5, 1), (1, 3, 9), (40, 17, 40), (2, 2, 1_000)],
)
def test_network_equals_torch_when_sizes_differ_from_the_example(
    session: onnxruntime.InferenceSession,
    network: RatingNetwork,
    rng: np.random.Generator,
    n_queries: int,
    n_users: int,
    length: int,
) -> None:
    """Numbers of queries, users and ratings are open: no size of the exporter's example is baked in."""
    feeds = make_feeds(rng, n_queries=n_queries, n_users=n_users, length=length)
    outputs = session.run(list(OUTPUT_NAMES), feeds)
    with torch.no_grad():
        ours = network(*(torch.from_numpy(feeds[name]) for name in INPUT_NAMES))
    for served, computed in zip(outputs, ours, strict=True):
        assert served.shape == (n_queries,)
        assert np.abs(served - computed.numpy()).max() < TOLERANCE


def test_network_has_named_open_axes_when_exported(session: onnxruntime.InferenceSession) -> None:
    """Every first axis has a name, and the contexts' second; only the features' second is a number."""
    shapes = {wanted.name: wanted.shape for wanted in session.get_inputs()}
    assert list(shapes) == list(INPUT_NAMES)
    n_queries = shapes["features"][0]
    assert shapes["features"] == [n_queries, len(FULL_FEATURES)]
    assert shapes["users"] == shapes["movies"] == [n_queries]
    context = shapes["context_movies"]
    assert shapes["context_stars"] == shapes["context_weights"] == context
    assert len({n_queries, *context}) == 3
    assert all(isinstance(axis, str) for axis in (n_queries, *context))
    outputs = [(output.name, output.shape) for output in session.get_outputs()]
    assert outputs == [(name, [n_queries]) for name in OUTPUT_NAMES]


def test_network_uses_the_pinned_opset_when_exported(bundle_path: Path) -> None:
    """Checked by onnx itself, of operator set 18 and no other domain's."""
    proto = onnx.load(bundle_path / NETWORK)
    onnx.checker.check_model(proto, full_check=True)
    assert {
        entry.domain: entry.version for entry in proto.opset_import if entry.domain in {"", "ai.onnx"}
    } == {"": OPSET}
    assert all(node.domain in {"", "ai.onnx"} for node in proto.graph.node)


def test_network_reads_the_movie_tables_beside_it_when_exported(bundle_path: Path) -> None:
    """The tables are stored once, as NumPy files; nothing else of the network is outside it."""
    proto = onnx.load(bundle_path / NETWORK, load_external_data=False)
    outside = {
        {entry.key: entry.value for entry in tensor.external_data}["location"]: tensor
        for tensor in proto.graph.initializer
        if tensor.external_data
    }
    assert outside.keys() == {MOVIE_TABLE, MOVIE_LINKS}
    whole = {tensor.name: tensor for tensor in onnx.load(bundle_path / NETWORK).graph.initializer}
    for file, tensor in outside.items():
        table = np.load(bundle_path / file)
        assert tuple(tensor.dims) == table.shape
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(whole[tensor.name]), table)


def test_exported_files_hold_the_links_when_movies_have_some(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """The network, the stored vectors and what is solved for outside them all give what torch gives.

    Of two users and of nobody; without their links the same files would say something else.
    """
    history = make_history([
        Rated(1, 11, 4),
        Rated(1, 12, 2),
        Rated(1, 14, 5),
        Rated(2, 12, 3),
        Rated(3, 13, 1),
    ])
    encoder = UserEncoder.from_posterior(draw_posterior(rng, n_samples=3, n_movies=history.n_movies, width=4))
    heads = Heads(torch.zeros(3), torch.ones(3), hidden_size=2, n_heads=1)
    base = Base(torch.zeros(2), torch.tensor([[0.0, 1.0, 0.0]] * 2), torch.zeros(3))
    network = build_network(heads, encoder=encoder, base=base, low=-100.0, high=100.0)
    write_network(tmp_path / NETWORK, network, n_features=1)
    share_tables(tmp_path, encoder)
    write_vectors(tmp_path, encoder, history)
    contexts = (
        torch.tensor([[1, 2, 4], [2, 0, 0], [3, 3, 3]]),
        torch.tensor([[4.0, 2.0, 5.0], [3.0, 0.0, 0.0], [9.0, 9.0, 9.0]]),
        torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    )
    people = encoder.solve(*contexts).transpose(0, 1).numpy()  # (n_users, n_samples, width)

    asked = np.array([3, 3, 3])
    feeds = dict(zip(INPUT_NAMES[1:4], (values.numpy() for values in contexts), strict=True))
    feeds |= {"features": np.zeros((3, 1), dtype=np.float32), "users": np.arange(3), "movies": asked}
    session = onnxruntime.InferenceSession(tmp_path / NETWORK, providers=["CPUExecutionProvider"])
    rows = encoder.table[asked].numpy()
    expected = OVERALL_MEAN + (rows[..., 0] + (rows[..., 1:] * people).sum(-1)).mean(1)
    assert session.run([OUTPUT_NAMES[0]], feeds)[0] == pytest.approx(expected, abs=1e-4)

    vectors = read_vectors(tmp_path)
    assert vectors.users[:2, :, 1:] == pytest.approx(people[:2], abs=1e-5)
    for user, rated, stars in ((0, [0, 1, 3], [4, 2, 5]), (1, [1], [3]), (2, [], [])):
        solved = vectors.solve(np.array(rated, dtype=np.int32), np.array(stars, dtype=np.float32))
        assert solved[:, 1:] == pytest.approx(people[user], abs=1e-5)
    encoder.links.zero_()
    unlinked = encoder.solve(*contexts).transpose(0, 1).numpy()
    assert np.abs(unlinked - people).max(axis=(1, 2))[:2].min() > 0.01
    assert unlinked[2] == pytest.approx(people[2])


def test_manifest_says_what_was_exported_when_bundle_is_written(bundle_path: Path, run_path: Path) -> None:
    """Feature names in order, scale, configuration, metrics, versions, parity and a self-test."""
    manifest = read_manifest(bundle_path)
    metrics = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    assert manifest["feature_names"] == list(FULL_FEATURES)
    assert manifest["features"] == "full"
    assert manifest["rating_scale"] == {"low": 1.0, "high": 5.0, "step": 1.0}
    assert manifest["training_config"] == read_checkpoint(run_path).config.to_json()
    assert manifest["metrics"] == metrics
    assert manifest["data_fingerprint"] == metrics["data_fingerprint"]
    assert manifest["opset"] == OPSET
    assert manifest["library_versions"]["onnxruntime"] == onnxruntime.__version__
    assert manifest["parity"]["rows"] == 2 * N_PARITY_ROWS + 3
    assert 0 <= manifest["parity"]["largest_difference"] < TOLERANCE
    assert 1 <= manifest["self_test"]["predicted_rating"] <= 5


def test_parity_queries_cover_every_kind_when_chosen(bundle_path: Path, rng: np.random.Generator) -> None:
    """Known pairs of the history, other movies, a new user, an unknown movie, and ratings in the request."""
    history = load_bundle(bundle_path).history
    queries = choose_parity_queries(history, rng)
    known, others = queries[:N_PARITY_ROWS], queries[N_PARITY_ROWS:-3]
    new_user, unknown_movie, folded_in = queries[-3:]
    assert len(set(known)) == len(others) == N_PARITY_ROWS
    assert [query.user_id for query in others] == [query.user_id for query in known]
    assert len(set(known) - set(others)) > N_PARITY_ROWS / 2
    for query in known:
        [user] = history.find_users(np.array([query.user_id]))
        [movie] = history.find_movies(np.array([query.movie_id]))
        assert movie in history.user_movies[history.user_rows(int(user))]
    assert new_user.user_id not in history.user_ids
    assert new_user.movie_id in history.movie_ids
    assert unknown_movie.movie_id not in history.movie_ids
    assert folded_in.user_id is None
    assert len(folded_in.ratings) == 1


def test_parity_difference_is_found_when_one_network_is_perturbed(
    bundle_path: Path, run_path: Path, rng: np.random.Generator
) -> None:
    """A hundredth of a star more in every head's output is seen on the rows compared."""
    history = load_bundle(bundle_path).history
    trained = read_checkpoint(run_path)
    queries = choose_parity_queries(history, rng)
    assert compare_with_torch(bundle_path, trained, history, queries)[0] < TOLERANCE
    with torch.no_grad():
        trained.network.heads.biases[-1] += 0.01
    difference, served = compare_with_torch(bundle_path, trained, history, queries)
    assert 1e-3 < difference <= 0.011
    assert served.shape == (len(queries), 3)


def test_export_is_refused_when_onnx_predicts_otherwise(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that differs by more than the tolerance makes no bundle; the error says by how much."""
    write = onnx_export.write_network

    def write_perturbed(path: Path, network: RatingNetwork, **settings: int) -> None:
        with torch.no_grad():
            network.heads.biases[-1] += 0.01
        write(path, network, **settings)
        with torch.no_grad():
            network.heads.biases[-1] -= 0.01

    monkeypatch.setattr(onnx_export, "write_network", write_perturbed)
    with pytest.raises(
        ArtifactIncompatibleError,
        match=r"differ by \d\.\d\de-0[23] stars on 503 rows: expected at most 0.0001",
    ):
        export_run(run_path, tmp_path / "bundle")
    assert list_folder(tmp_path) == []


def test_export_is_refused_when_predictions_are_no_numbers(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference of NaN is no parity."""
    monkeypatch.setattr(
        onnx_export, "compare_with_torch", lambda *_: (float("nan"), np.zeros(1, dtype=np.float32))
    )
    with pytest.raises(ArtifactIncompatibleError, match="differ by nan"):
        export_run(run_path, tmp_path / "bundle")
    assert list_folder(tmp_path) == []


@pytest.mark.parametrize("lost", [METRICS, NETWORK_FILE])
def test_export_is_refused_when_run_is_unfinished(run_path: Path, tmp_path: Path, lost: str) -> None:
    """A folder without metrics or checkpoint is no finished run, nor is a folder that is not there."""
    run = Path(shutil.copytree(run_path, tmp_path / "run"))
    (run / lost).unlink()
    for unfinished in (run, tmp_path / "nowhere"):
        with pytest.raises(ArtifactMissingError, match=f"{unfinished} is not a finished run"):
            export_run(unfinished, tmp_path / "bundle")
    assert list_folder(tmp_path) == ["run"]


def test_export_leaves_no_bundle_when_interrupted(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the network was written leaves nothing, and an older bundle as it was."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_export, "compare_with_torch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_run(run_path, tmp_path / "bundle")
    assert list_folder(tmp_path) == []


def test_export_is_refused_when_output_is_not_a_bundle(run_path: Path, tmp_path: Path) -> None:
    """A folder of other things is left alone."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    with pytest.raises(ArtifactError, match="photos is there and is not a bundle"):
        export_run(run_path, tmp_path / "photos")


def test_seed_network_takes_features_alone_when_exported(tiny_ratings: Ratings, tmp_path: Path) -> None:
    """The network of five features has one input, open in its first axis, and predicts as torch does."""
    train_run(tiny_ratings, change_training(features="seed"), tmp_path / "run", say=lambda _line: None)
    manifest = export_run(tmp_path / "run", tmp_path / "bundle")
    assert manifest["feature_names"] == list(SEED_FEATURES)
    assert manifest["parity"]["largest_difference"] < TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "bundle" / NETWORK, providers=["CPUExecutionProvider"])
    [wanted] = session.get_inputs()
    assert wanted.name == "features"
    assert wanted.shape[1] == 5
    for n_queries in (1, 2, 50):
        served = session.run(None, {"features": np.ones((n_queries, 5), dtype=np.float32)})[0]
        assert served.shape == (n_queries,)
