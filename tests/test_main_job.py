"""The main job on real clips with real weights: what the project promises first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vidlab as vl
from vidlab.models import Model

BACKENDS = ("torch", "tfhub", "litert")

# Labelled clips whose top-1 of the last frame at 5 fps is right in every backend.
LABELLED = {
    "R6llTwEh07w.mp4": "using segway",
    "mmaction2_demo.mp4": "arm wrestling",
    "v_SoccerJuggling_g23_c01.avi": "juggling soccer ball",
    "flipping_a_pancake.mkv": "flipping pancake",
    "basketball.mp4": "dunking basketball",
    "mmaction2_test.mp4": "cleaning pool",
    "paddle_horse_riding.gif": "riding or walking with horse",
    "carving_ice.mp4": "carving ice",
}


@pytest.fixture(scope="module")
def models(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDLAB_MODELS", str(mirror))
        patch.setenv("VIDLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        return {
            backend: vl.load_model("movinet-a0-stream", backend=backend) for backend in BACKENDS
        }


@pytest.fixture(scope="module")
def comparisons(models: dict[str, Model], clips: Path) -> dict[str, vl.Comparison]:
    return {name: vl.compare(clips / name, models, progress=False) for name in LABELLED}


@pytest.mark.parametrize("clip", LABELLED)
@pytest.mark.parametrize("backend", BACKENDS)
def test_labelled_clips_are_recognised(
    comparisons: dict[str, vl.Comparison], clip: str, backend: str
) -> None:
    last = comparisons[clip].table.iloc[-1]
    assert last[f"label_{backend}"] == LABELLED[clip]


@pytest.mark.parametrize("clip", LABELLED)
def test_torch_and_tfhub_give_the_same_logits(
    comparisons: dict[str, vl.Comparison], clip: str
) -> None:
    torch, tfhub, _ = comparisons[clip].predictions
    np.testing.assert_allclose(torch.logits, tfhub.logits, atol=1e-3)


def test_int8_names_the_same_label_on_nine_frames_of_ten(
    comparisons: dict[str, vl.Comparison],
) -> None:
    tables = [both.table for both in comparisons.values()]
    agree = sum((table["label_torch"] == table["label_litert"]).sum() for table in tables)
    assert agree / sum(map(len, tables)) >= 0.9


@pytest.mark.parametrize(
    ("backend", "at_least"), [("litert", 0.95), ("torch", 0.97), ("tfhub", 0.97)]
)
def test_carving_ice_at_the_models_rate(
    comparisons: dict[str, vl.Comparison], backend: str, at_least: float
) -> None:
    last = comparisons["carving_ice.mp4"].table.iloc[-1]
    assert last[f"label_{backend}"] == "carving ice"
    assert last[f"probability_{backend}"] >= at_least


class TestOfficialSample:
    """The unit test of the official LiteRT sample: every frame of carving_ice.mp4, in order."""

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_every_frame(self, models: dict[str, Model], clips: Path, backend: str) -> None:
        preds = vl.predict(clips / "carving_ice.mp4", models[backend], fps="source", progress=False)
        assert len(preds) == 131
        last = preds.top1().iloc[-1]
        assert last["label"] == "carving ice"
        assert last["probability"] >= 0.9

    def test_its_options(self, models: dict[str, Model], clips: Path) -> None:
        def last_rows(**options: object) -> list[tuple[str, float]]:
            preds = vl.predict(
                clips / "carving_ice.mp4", models["litert"], progress=False, **options
            )
            table = preds.table
            rows = table[table["frame_index"] == preds.frame_index[-1]]
            return list(zip(rows["label"], rows["probability"], strict=True))

        assert len(last_rows(max_results=3)) == 3
        assert all(probability >= 0.2 for _, probability in last_rows(score_threshold=0.2))
        allowed = ["carving ice", "sawing wood"]
        assert {label for label, _ in last_rows(label_allow_list=allowed)} == set(allowed)
        assert "chiseling stone" not in dict(last_rows(label_deny_list=["chiseling stone"]))


def test_stream_and_predict_give_the_same(models: dict[str, Model], clips: Path) -> None:
    preds = vl.predict(clips / "carving_ice.mp4", models["torch"], progress=False)
    answers = list(vl.stream(clips / "carving_ice.mp4", models["torch"]))
    np.testing.assert_allclose([item.logits for item in answers], preds.logits, atol=1e-3)


def test_the_demo_says_and_writes_what_it_promises(tmp_path: Path) -> None:
    """``make demo``, without weights of anybody else's."""
    script = Path(__file__).parents[1] / "scripts" / "demo.py"
    environment = {key: value for key, value in os.environ.items() if key != "VIDLAB_MODELS"}
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "40 frames, agree on 100.0%, 0 disagreements" in done.stdout
    assert {each.name for each in tmp_path.iterdir()} == {"report.html", "predictions.parquet"}
