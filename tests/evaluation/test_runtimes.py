"""The table of ``vidlab evaluate``, each number worked out once more from files alone.

Nothing of vidlab computes here but what makes a picture a model's input: videos are read with
PyAV, LiteRT and TensorFlow are asked themselves, and the figures are scikit-learn's, SciPy's, or a
few lines.
"""

from __future__ import annotations

import csv
import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from arithmetic import ArithmeticModel
from scipy import special, stats
from sklearn.metrics import accuracy_score, top_k_accuracy_score

import vidlab as vl
from vidlab.cli import main
from vidlab.core.images import jpeg
from vidlab.datasets import StickActions
from vidlab.evaluation import running

INT8, SAVED = "movinet_a0_stream_k600_int8.tflite", "movinet_a0_stream_k600_savedmodel"
TORCH, TFHUB, LITERT = (f"{each}:movinet-a0-stream" for each in ("torch", "tfhub", "litert"))
PICTURES = f"{LITERT}, single frames"
LABELS = vl.LabelMap.named("kinetics-600")
FPS = 5.0

Ask = Callable[[np.ndarray], np.ndarray]


@dataclass
class Way:
    """What one runtime said of one clip."""

    label: str
    seconds: np.ndarray
    logits: np.ndarray

    @property
    def said(self) -> np.ndarray:
        return self.logits.argmax(axis=1)


@pytest.fixture(scope="module")
def labelled(shared_data: Path) -> list[tuple[Path, str]]:
    """Clips of which the manifest says what they show."""
    with open(shared_data / "MANIFEST.tsv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [
        (shared_data / row["file"], row["label"])
        for row in rows
        if row["file"].startswith("clips/") and row["label"]
    ]


@pytest.fixture(scope="module")
def table(
    labelled: list[tuple[Path, str]], mirror: Path, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """What the one command writes."""
    folder = tmp_path_factory.mktemp("runtimes")
    with open(folder / "clips.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("video", "label"), *labelled])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDLAB_MODELS", str(mirror))
        code = main(
            [
                "evaluate", str(folder / "clips.csv"), "--model", TORCH, "--model", TFHUB,
                "--model", LITERT, "--image-only", LITERT,
                "--out", str(folder / "table.csv"), "--report", str(folder / "report.html"),
            ]
        )  # fmt: skip
    assert code == 0
    assert (folder / "report.html").stat().st_size > 20_000
    return pd.read_csv(folder / "table.csv").set_index("model")


@pytest.fixture(scope="module")
def inputs(labelled: list[tuple[Path, str]], mirror: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each clip the times of the frames on screen every 0.2 s, and the frames as the model's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDLAB_MODELS", str(mirror))
        prepare = vl.load_model(LITERT).preprocessing
    found = []
    for path, _ in labelled:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            wide = round(stream.width * (stream.sample_aspect_ratio or 1))  # in square pixels
            frames = [
                (
                    float(frame.pts * stream.time_base),
                    frame.reformat(
                        width=wide, height=frame.height, format="rgb24", interpolation="BILINEAR"
                    ).to_ndarray(),
                )
                for frame in container.decode(stream)
            ]
        pts = np.array([time for time, _ in frames])
        last = pts[-1] + (pts[-1] - pts[-2])
        instants = pts[0] + np.arange(0, 10_000) / FPS
        shown = np.searchsorted(pts, instants[instants < last - 1e-6] + 1e-6, side="right") - 1
        taken = list(dict.fromkeys(shown.tolist()))
        found.append((pts[taken] - pts[0], np.stack([prepare(frames[i][1]) for i in taken])))
    return found


def litert(mirror: Path) -> tuple[Ask, Callable[[], None]]:
    """Ask the LiteRT file itself; the second forgets what it saw."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(mirror / INT8), num_threads=1)
    runner = interpreter.get_signature_runner()
    about = runner.get_input_details()
    state: dict[str, np.ndarray] = {}

    def forget() -> None:
        state.update(
            {
                name: np.zeros(each["shape"], each["dtype"])
                for name, each in about.items()
                if name != "image"
            }
        )

    def ask(frame: np.ndarray) -> np.ndarray:
        answer = runner(image=frame[None, None], **state)
        logits = answer.pop("logits")
        state.update(answer)
        return logits[0]

    forget()
    return ask, forget


def saved_model(mirror: Path) -> tuple[Ask, Callable[[], None]]:
    """Ask the SavedModel itself."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(mirror / SAVED))
    call = loaded.signatures["call"]
    size = tf.constant([1, 1, 172, 172, 3])
    begin = loaded.signatures["init_states"](size)
    state = dict(begin)

    def ask(frame: np.ndarray) -> np.ndarray:
        answer = dict(call(image=tf.constant(frame[None, None]), **state))
        logits = answer.pop("logits").numpy()[0]
        state.update(answer)
        return logits

    return ask, lambda: state.update(begin)


@pytest.fixture(scope="module")
def ways(
    labelled: list[tuple[Path, str]], inputs: list[tuple[np.ndarray, np.ndarray]], mirror: Path
) -> dict[str, list[Way]]:
    """What each runtime says of each clip."""
    found: dict[str, list[Way]] = {}
    for name, (ask, forget), has_memory in (
        (TFHUB, saved_model(mirror), True),
        (LITERT, litert(mirror), True),
        (PICTURES, litert(mirror), False),
    ):
        found[name] = []
        for (_, label), (seconds, frames) in zip(labelled, inputs, strict=True):
            forget()
            logits = []
            for frame in frames:
                if not has_memory:
                    forget()
                logits.append(ask(frame))
            found[name].append(Way(label, seconds, np.stack(logits)))
    # PyTorch's logits are the official code's to 1e-4 (test_movinet_golden.py); its figures are
    # thus TensorFlow's.
    return {**found, TORCH: found[TFHUB]}


def last_word(way: Way, *, has_memory: bool) -> np.ndarray:
    """Probabilities ``[600]`` of the clip: the last answer's, or of single frames the mean."""
    probabilities = special.softmax(way.logits.astype(np.float64), axis=1)
    return probabilities[-1] if has_memory else probabilities.mean(axis=0)


ALL = pytest.mark.parametrize("name", [TORCH, TFHUB, LITERT, PICTURES])


@ALL
def test_accuracy_is_that_of_scikit_learn(
    name: str, table: pd.DataFrame, ways: dict[str, list[Way]]
) -> None:
    truth = [LABELS.id_of(way.label) for way in ways[name]]
    said = np.stack([last_word(way, has_memory=name != PICTURES) for way in ways[name]])
    row = table.loc[name]
    assert row["num_clips"] == row["num_videos"] == len(truth)
    assert row["top1"] == pytest.approx(accuracy_score(truth, said.argmax(axis=1)))
    assert row["top5"] == pytest.approx(
        top_k_accuracy_score(truth, said, k=5, labels=range(len(LABELS)))
    )
    last = np.stack([last_word(way, has_memory=True) for way in ways[name]])
    mean = np.stack([last_word(way, has_memory=False) for way in ways[name]])
    assert row["end_top1"] == pytest.approx(accuracy_score(truth, last.argmax(axis=1)))
    assert row["mean_top1"] == pytest.approx(accuracy_score(truth, mean.argmax(axis=1)))
    # A model that saw motion is better here; of nine clips that is all that can be said.
    assert row["top1"] >= table.loc[PICTURES, "top1"]


@ALL
def test_calibration_error_is_its_definition(
    name: str, table: pd.DataFrame, ways: dict[str, list[Way]]
) -> None:
    said = np.stack([last_word(way, has_memory=name != PICTURES) for way in ways[name]])
    right = said.argmax(axis=1) == [LABELS.id_of(way.label) for way in ways[name]]
    confidence = said.max(axis=1)

    def error(right: np.ndarray, confidence: np.ndarray) -> float:
        found = 0.0
        for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
            inside = (confidence > low) & (confidence <= high)
            if inside.any():
                found += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        return found

    row = table.loc[name]
    assert row["ece"] == pytest.approx(error(right, confidence), abs=1e-4)
    found = stats.bootstrap(
        (right, confidence), error, n_resamples=4000, method="BCa", paired=True, vectorized=False,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    # Of 2,000 resamples and of 4,000, an end is known to about this.
    assert row["ece_low"] == pytest.approx(found.low, abs=0.02)
    assert row["ece_high"] == pytest.approx(found.high, abs=0.02)


@ALL
@pytest.mark.parametrize("k", [1, 5])
def test_intervals_are_those_of_scipy(
    name: str, k: int, table: pd.DataFrame, ways: dict[str, list[Way]]
) -> None:
    """Every clip is a video of its own here, so the ordinary bootstrap is right."""
    said = np.stack([last_word(way, has_memory=name != PICTURES) for way in ways[name]])
    ranked = np.argsort(-said, axis=1, kind="stable")[:, :k]
    truth = np.array([LABELS.id_of(way.label) for way in ways[name]])
    right = (ranked == truth[:, None]).any(axis=1).astype(float)
    found = stats.bootstrap(
        (right,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    row = table.loc[name]
    # Resamples of nine clips move by ninths: 2,000 of them and 20,000 may part by one step.
    assert row[f"top{k}_low"] == pytest.approx(found.low, abs=1.01 / len(truth))
    assert row[f"top{k}_high"] == pytest.approx(found.high, abs=1.01 / len(truth))


@ALL
def test_decisions_are_read_off_the_answers(
    name: str, table: pd.DataFrame, ways: dict[str, list[Way]]
) -> None:
    stable, flicker = [], []
    for way in ways[name]:
        changes = [i for i in range(1, len(way.said)) if way.said[i] != way.said[i - 1]]
        stable.append(way.seconds[changes[-1]] if changes else 0.0)
        flicker.append(len(changes) / (way.seconds[-1] - way.seconds[0]))
    assert table.loc[name, "stable_seconds"] == pytest.approx(np.median(stable))
    assert table.loc[name, "flicker_per_second"] == pytest.approx(np.mean(flicker))


def test_sizes_are_those_of_the_files(table: pd.DataFrame, mirror: Path) -> None:
    assert table.loc[LITERT, "size_mb"] == (mirror / INT8).stat().st_size / 1e6
    assert table.loc[PICTURES, "size_mb"] == table.loc[LITERT, "size_mb"]
    graph = [mirror / SAVED / "saved_model.pb", *(mirror / SAVED / "variables").iterdir()]
    fingerprint = mirror / SAVED / "fingerprint.pb"
    graph += [fingerprint] if fingerprint.is_file() else []
    assert table.loc[TFHUB, "size_mb"] == pytest.approx(
        sum(each.stat().st_size for each in graph) / 1e6
    )


def test_memory_is_that_of_a_process_of_its_own(table: pd.DataFrame, mirror: Path) -> None:
    program = f"""
import vidlab, numpy as np
model = vidlab.load_model({str(mirror / INT8)!r})
state = model.init_state()
for _ in range(16):
    _, state = model.step(np.zeros((1, 172, 172, 3), np.float32), state)
print(*[line for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    alone = int(done.stdout.split()[1]) * 1024 / 1e6
    assert table.loc[LITERT, "memory_mb"] == pytest.approx(alone, rel=0.15)
    assert table.loc[LITERT, "memory_mb"] < table.loc[TORCH, "memory_mb"]
    assert table.loc[TORCH, "memory_mb"] < table.loc[TFHUB, "memory_mb"]


def test_time_per_frame_is_the_median_of_what_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame takes what the clip's number says; the first clip, a warm-up, counts for none."""

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()
    clips = iter([9.0, 0.004, 0.001, 0.002])
    takes = 0.0

    class Timed(ArithmeticModel):
        def init_state(self) -> int:
            nonlocal takes
            takes = next(clips)
            return 0

        def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
            clock.now += takes * len(frames)
            return super().step(frames, state)

    from PIL import Image

    for number in range(4):
        folder = tmp_path / f"class {number}"
        folder.mkdir()
        picture = Image.open(io.BytesIO(jpeg(np.full((16, 16, 3), 60 * number, np.uint8))))
        frames = [picture, *(Image.new("RGB", (16, 16), (i, 0, 0)) for i in range(1, 6))]
        frames[0].save(
            folder / "one.gif", save_all=True, append_images=frames[1:], duration=200, loop=0
        )
    monkeypatch.setattr(running, "time", clock)
    evaluation = vl.evaluate(Timed(), tmp_path, progress=False)
    assert evaluation.cost is not None
    assert evaluation.cost.ms_per_frame == pytest.approx(2.0)


def test_on_drawn_people_motion_is_worth_what_it_is(tmp_path: Path) -> None:
    """The same table on StickActions, where half of the labels differ by time alone."""
    out = tmp_path / "table.csv"
    names = ["torch", "tfhub", "litert"]
    models = [f"--model={each}:stickactions-xs-stream" for each in names]
    command = ["evaluate", "stickactions:48", *models, "--model=torch:stickactions-pictures"]
    assert main([*command, "--image-only=litert:stickactions-xs-stream", "--out", str(out)]) == 0
    table = pd.read_csv(out).set_index("model")
    labels = vl.load_model("litert:stickactions-xs-stream").labels
    drawn = StickActions(range(9_000_000, 9_000_048))
    assert len(drawn) == 48
    video_models = [each for each in table.index if "xs" in each and "single" not in each]
    assert len(video_models) == 3
    for name in video_models:
        for baseline in set(table.index) - set(video_models):
            assert table.loc[name, "top1"] > table.loc[baseline, "top1"]
    assert len(labels) > 20
    # The runtimes run the same weights.
    assert table.loc[video_models, "top1"].nunique() == 1
    assert table.loc[video_models, "ece"].max() - table.loc[video_models, "ece"].min() < 1e-4
