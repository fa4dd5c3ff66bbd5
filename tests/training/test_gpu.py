"""Training where there is a GPU, and what comes of it where there is none."""

import json
from pathlib import Path

import numpy as np
import pytest
from pytorch_lightning.accelerators import CUDAAccelerator
from tiny_run import change_training

from model.bundle import load_bundle
from model.serving.predictor import Predictor, Query
from model.table import Ratings
from model.training.onnx_export import export_run
from model.training.run import train_run
from model.training.runs import METRICS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not CUDAAccelerator.is_available(), reason="PyTorch finds no CUDA device"),
]


def test_network_trained_on_gpu_predicts_as_the_one_of_the_cpu_does(
    tiny_ratings: Ratings, tmp_path: Path
) -> None:
    """Nothing but the heads is trained there, from the same weights and batches: only rounding differs.

    The run holds no trace of the device: it is exported, which compares it with onnxruntime, and served.
    """
    seed_rmse, stars = [], []
    for accelerator in ("cpu", "gpu"):
        run = tmp_path / accelerator
        train_run(tiny_ratings, change_training(accelerator=accelerator), run, say=lambda _line: None)
        seed_rmse.append(json.loads((run / METRICS).read_text(encoding="utf-8"))["rmse"]["seed"])
        export_run(run, run / "bundle")
        predictor = Predictor(load_bundle(run / "bundle"))
        predictor.self_test()
        pairs = zip(tiny_ratings.user_ids, tiny_ratings.movie_ids, strict=True)
        stars.append(
            predictor.predict_ratings([Query(user_id=user, movie_id=movie) for user, movie in pairs])
        )
    assert seed_rmse[1] == pytest.approx(seed_rmse[0], abs=1e-3)
    np.testing.assert_allclose(stars[1], stars[0], atol=0.01)
