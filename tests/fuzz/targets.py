"""What is fuzzed: good files to begin from, and what vidlab does with a file of each kind.

A target's `read` may return, or raise a `VidlabError`. Heavy libraries are imported inside, for
workers of a group load only what the group needs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "vidlab" / "models" / "weights"
LABELS = ("walking", "squat", "한국어")


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: What it is called in reports.
        group: Targets of a group share worker processes: torch and TensorFlow do not share one.
        suffix: Of the file that is read.
        make: Writes a good file to a path.
        read: Does with a path what people would.
        share: How many of all cases are its, in relation to the others; fewer where each is slow.
        is_text: Whether words are put in as well as bytes.
    """

    name: str
    group: str
    suffix: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    share: int = 2
    is_text: bool = False

    def warm(self, path: Path) -> None:
        """Import what reading takes, by reading the good file."""
        self.read(path)


# ---- good files ------------------------------------------------------------------------------


def _video(kind: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        from synthetic import make_video

        make_video(path, kind=kind, num_frames=40, size=(96, 72))

    return make


def _copy(source: Path) -> Callable[[Path], object]:
    return lambda path: shutil.copy(source, path)


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _predictions(path: Path) -> None:
    import vidlab as vl

    logits = np.random.default_rng(0).normal(size=(20, len(LABELS))).astype(np.float32)
    vl.Predictions(
        video="a.mp4", model="m", backend="torch", title="torch:m", labels=vl.LabelMap(LABELS),
        frame_index=np.arange(20), time_seconds=np.arange(20) / 5, logits=logits,
    ).save(path)  # fmt: skip


def _poses(path: Path) -> None:
    from vidlab.core.skeletons import COCO_17
    from vidlab.pose.poses import Poses

    points = np.random.default_rng(0).uniform(size=(10, len(COCO_17), 3)).astype(np.float32)
    Poses(
        video="a.mp4", model="m", backend="torch", title="torch:m", skeleton=COCO_17,
        width_px=64, height_px=48, frame_index=np.arange(10), time_seconds=np.arange(10) / 5,
        row=np.arange(10), person=np.zeros(10, np.int64), points=points,
    ).save(path)  # fmt: skip


def _scores(path: Path) -> None:
    from vidlab.widgets.quiz_scores import Scores

    scores = Scores(None, ["m"])
    example: dict[type, object] = {str: 'Mina, "a"\n', int: 3, float: 0.5, bool: True}
    columns = scores._columns
    scores = Scores(path, ["m"])
    for _ in range(4):
        scores.add({name: example.get(kind) for name, kind in columns.items()})


def _folder(write: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what packs a folder that `write` fills; :func:`_of_folder` unpacks it."""

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "good"
            write(folder)
            shutil.make_archive(str(path.with_suffix("")), "zip", folder)

    return make


def _run(folder: Path) -> None:
    """Write a run over three videos, of which one failed and one was not tried."""
    from arithmetic import ArithmeticModel

    import vidlab as vl
    from vidlab.many.listing import Listed, write_list
    from vidlab.many.manifest import agree_or_write
    from vidlab.many.store import Fingerprint, Store, about_answers

    store = Store(folder)
    folder.mkdir()
    agree_or_write(store, _manifest())
    write_list(
        store,
        [Listed(video=name, path=f"/{name}", columns={"group": 3}) for name in ("a", "b", "c")],
    )
    fingerprint = Fingerprint(size_bytes=3, mtime_ns=4, sha256="00" * 32)
    for name in _RUN_MODELS:
        model = ArithmeticModel(name=name)
        logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
        answers = vl.Predictions(
            video="a", model=name, backend="torch", title=name, labels=model.labels,
            frame_index=np.arange(6), time_seconds=np.arange(6) / 5, logits=logits,
        )  # fmt: skip
        about = about_answers(answers, is_at_end=True, fingerprint=fingerprint, seconds=0.5)
        store.write_answers(answers, model=name, about=about)
    store.write_failure("b", {"reason": "it is no video", "error": "VideoOpenError", "attempts": 1})


def _manifest() -> dict[str, Any]:
    from arithmetic import ArithmeticModel

    from vidlab.many.manifest import manifest_of

    models = [ArithmeticModel(name=name) for name in _RUN_MODELS]
    return manifest_of(
        _RUN_MODELS, models, [each.selection for each in models], {"fps": None, "hop": 2}
    )


def _recording(folder: Path) -> None:
    from arithmetic import ArithmeticModel
    from synthetic import make_video

    import vidlab as vl
    from vidlab.live import FileSource, LiveSession

    video = folder.with_name("seen.mp4")
    make_video(video, num_frames=20, size=(96, 72))
    source = FileSource(video, speed=8.0)
    rule = vl.Rule("class 3", probability=0.1)
    with LiveSession(source, [ArithmeticModel()], record=folder, rules=rule) as session:
        session.join(60)


def _checkpoint(path: Path) -> None:
    import torch

    from vidlab.training import checkpoint

    checkpoint.write(path, {"w": torch.ones(2, 3), "b": torch.zeros(3)}, {"epoch": 3, "seed": 0})


def _transformers(folder: Path) -> None:
    import torch
    from tiny_transformers import videomae

    torch.manual_seed(0)
    videomae(folder)


def _onnx_stream(path: Path) -> None:
    import vidlab as vl

    vl.export(_XS.with_suffix(".safetensors"), path, to="onnx", certificate=False)


def _onnx_pictures(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {
        "kernel": random.normal(size=(4, 3, 3, 3)), "bias": np.zeros(4),
        "head": random.normal(size=(4, 5)), "offset": np.zeros(5),
    }  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel", "bias"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "head", "offset"], ["y"]),
        ],
        "pictures",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(each.astype(np.float32), at) for at, each in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


def _litert_pictures(path: Path) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Input((32, 40, 3), batch_size=1),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5),
        ]
    )
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


# ---- readers ---------------------------------------------------------------------------------


def read_video(path: Path) -> None:
    """Open, walk with sound, seek, make thumbnails; a few dozen frames at most."""
    import vidlab as vl
    from vidlab.core.errors import VideoDecodeError

    with vl.Video(path) as video:
        repr(video)
        try:
            for frame, _sound in video.walk(stop=60):
                frame.rgb.mean()
        except VideoDecodeError:
            pass  # what follows must cope
        video.first_frame()
        if len(video):
            video[len(video) // 2].rgb.mean()
            video.index_at_time(video.duration_seconds / 2)
            video.thumbnails(2)
        video.last_frame()


def read_labels(path: Path) -> None:
    import vidlab as vl

    labels = vl.LabelMap.from_file(path)
    labels.id_of(labels[0])


def read_card(path: Path) -> None:
    """Read a card where it lies beside weights."""
    from vidlab.models.card import ModelCard, card_beside

    card = card_beside(path.with_suffix(".safetensors"))
    if card is not None:
        assert ModelCard.from_toml(card.to_toml(), where="again") == card
        card.label_map(24)


def read_predictions(path: Path) -> None:
    import vidlab as vl

    loaded = vl.Predictions.load(path)
    loaded.table.describe()
    repr(loaded)


def read_poses(path: Path) -> None:
    from vidlab.pose import Poses

    loaded = Poses.load(path)
    loaded.table.describe()
    repr(loaded)


def read_segments(path: Path) -> None:
    from vidlab import clips

    clips.read_segments(path)


def read_scores(path: Path) -> None:
    from vidlab.widgets.quiz_scores import Scores

    Scores(path, ["m"]).table()


def read_rules(path: Path) -> None:
    from vidlab.rules import parse_rule

    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        str(parse_rule(line))


def read_model(backend: str) -> Callable[[Path], None]:
    """Return what loads weights with a backend and answers one picture, or one clip."""

    def read(path: Path) -> None:
        import vidlab as vl

        # No card knows a damaged file by its checksum; a LiteRT file says enough of itself.
        cards = {"keras": "stickactions-pictures", "litert": None, "transformers": None}
        card = cards.get(backend, "stickactions-xs-stream")
        model = vl.load_model(path, backend=backend, card=card, num_threads=1)
        size = model.preprocessing
        frames = np.zeros((1, size.height_px, size.width_px, 3), np.float32)
        if model.card.kind == "stream":
            model.step(frames, model.init_state())
        else:
            model.classify(frames[None].repeat(model.card.num_frames or 1, axis=1))

    return read


def read_pictures(backend: str) -> Callable[[Path], None]:
    """Return what runs a classifier of pictures with a backend."""

    def read(path: Path) -> None:
        import vidlab as vl

        card = vl.ModelCard(
            name="mine", title="Mine", family="own", kind="frame",
            layout="BHWC" if path.suffix == ".tflite" else "BCHW",
            preprocessing=vl.Preprocessing(height_px=32, width_px=40),
        )  # fmt: skip
        model = vl.load_model(path, backend=backend, card=card, num_threads=1)
        model.step(np.ones((2, 32, 40, 3), np.float32), model.init_state())

    return read


def _of_folder(*looks: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what unpacks a folder and looks at it in several ways; then it may be refused."""

    def read(path: Path) -> None:
        from vidlab.core.errors import VidlabError

        folder = path.with_suffix("")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.unpack_archive(path, folder)
        refused = []
        for look in looks:
            try:
                look(folder)
            except VidlabError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    return read


def _go_on(folder: Path) -> None:
    """Do what `predict_many` does first where there is a run already."""
    from vidlab.many.manifest import agree_or_write
    from vidlab.many.store import Store

    agree_or_write(Store(folder), _manifest())


def _open_run(folder: Path) -> Any:
    import vidlab as vl

    return vl.open_run(folder)


def _open_recording(folder: Path) -> Any:
    import vidlab as vl

    return vl.Recording(folder)


def _replay(folder: Path) -> object:
    from arithmetic import ArithmeticModel

    import vidlab as vl

    return vl.replay(folder, ArithmeticModel(), progress=False)


def read_checkpoint(path: Path) -> None:
    from vidlab.training import checkpoint

    checkpoint.read(path)


def convert(path: Path) -> None:
    from vidlab.models.convert import convert as carry_over

    carry_over(path, path.with_suffix(".safetensors"))


# What people look at in a run's folder, and in a recording's.
_RUN_LOOKS = (
    lambda folder: repr(_open_run(folder)),
    lambda folder: _open_run(folder).videos.describe(include="all"),
    lambda folder: _open_run(folder).failures.to_html(),
    lambda folder: _open_run(folder).clips.describe(include="all"),
    lambda folder: _open_run(folder).table().describe(),
    lambda folder: _open_run(folder).predictions("a", "first").table.describe(),
    lambda folder: _open_run(folder).comparison("a"),
    lambda folder: _open_run(folder)._repr_html_(),
    _go_on,
)
_RECORDING_LOOKS = (
    lambda folder: repr(_open_recording(folder)),
    lambda folder: _open_recording(folder).table.describe(),
    lambda folder: _open_recording(folder).frames.describe(),
    lambda folder: _open_recording(folder).events.describe(),
    lambda folder: read_video(folder / "frames.mp4"),
    _replay,
)

_MP4 = ("jumping_jacks", "waving_hand")
_CARD = ROOT / "vidlab" / "models" / "cards" / "stickactions-xs-stream.toml"
_RUN_MODELS = ("first", "second")
_XS = WEIGHTS / "stickactions-xs-stream"
_LITERT = Path(f"{_XS}-int8.tflite")
_PICTURES = WEIGHTS / "stickactions-pictures"
_RULES = (
    "squat >= 0.7 for 2 s\nwalking >= 0.5, then squat >= 0.6 for 1 s within 5 s\n"
    '"a, then b" >= .5e0 every 3 s'
)

TARGETS = (
    *(Target(f"mp4 {name}", "light", ".mp4", _copy(ROOT / "data" / f"{name}.mp4"), read_video)
      for name in _MP4),
    *(Target(kind, "light", suffix, _video(kind), read_video)
      for kind, suffix in (
          ("mp4", ".mp4"), ("audio", ".mp4"), ("vfr-mkv", ".mkv"), ("webm", ".webm"),
          ("gif", ".gif"), ("avi", ".avi"), ("mpeg-ts", ".ts"),
      )),
    Target("label map", "light", ".txt", _text("\n".join(LABELS)), read_labels, is_text=True),
    Target("card", "light", ".toml", _copy(_CARD), read_card, is_text=True),
    Target("predictions", "light", ".parquet", _predictions, read_predictions, share=3),
    Target("poses", "light", ".parquet", _poses, read_poses, share=3),
    Target("segments", "light", ".csv", _copy(ROOT / "data" / "segments.csv"), read_segments,
           is_text=True),
    Target("rules", "light", ".txt", _text(_RULES), read_rules, is_text=True),
    Target("scores", "light", ".csv", _scores, read_scores, is_text=True),
    Target("safetensors", "models", ".safetensors", _copy(_XS.with_suffix(".safetensors")),
           read_model("torch"), share=3),
    Target("litert", "models", ".tflite", _copy(_LITERT), read_model("litert"), share=3),
    Target("converter", "models", ".tflite", _copy(_LITERT), convert),
    Target("keras", "keras", ".keras", _copy(_PICTURES.with_suffix(".keras")),
           read_model("keras"), share=1),
    Target("h5", "keras", ".h5", _copy(_PICTURES.with_suffix(".h5")), read_model("keras"),
           share=1),
    Target("savedmodel", "savedmodel", ".zip",
           _folder(lambda folder: shutil.copytree(f"{_XS}-savedmodel", folder)),
           _of_folder(read_model("tfhub")), share=1),
    Target("run", "light", ".zip", _folder(_run), _of_folder(*_RUN_LOOKS), share=3),
    Target("recording", "light", ".zip", _folder(_recording), _of_folder(*_RECORDING_LOOKS)),
    Target("checkpoint", "models", ".safetensors", _checkpoint, read_checkpoint, share=1),
    Target("transformers", "transformers", ".zip", _folder(_transformers),
           _of_folder(read_model("transformers")), share=1),
    Target("onnx stream", "runtimes", ".onnx", _onnx_stream, read_model("onnx"), share=1),
    *(Target(f"onnx in {backend}", "runtimes", ".onnx", _onnx_pictures, read_pictures(backend))
      for backend in ("onnx", "opencv", "openvino")),
    Target("litert in openvino", "runtimes", ".tflite", _litert_pictures,
           read_pictures("openvino"), share=1),
)  # fmt: skip
"""Everything that is fuzzed by its bytes."""
