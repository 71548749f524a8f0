"""What is fuzzed: good files to begin from, and what vidlab does with a file of each kind.

A target's `read` may return, or raise a `VidlabError`. Heavy libraries are imported inside, for
workers of a group load only what the group needs.
"""

from __future__ import annotations

import io
import shutil
import tarfile
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


def _kept_parts(folder: Path) -> None:
    """Write what is kept of a long video of which two parts are done."""
    import vidlab as vl
    from vidlab.inference import Carried
    from vidlab.many.checkpoints import Checkpoint, Checkpoints
    from vidlab.many.store import Fingerprint, Store

    folder.mkdir()
    state = {"sum": np.ones((1, 3), np.float32), "past": [np.zeros(4), None], "count": 2}
    carried = Carried(
        next_frame=12, state=state, waiting=((11, 0.4, np.zeros((4, 6, 3), np.uint8)),),
        num_unseen=1, num_until_full=0,
    )  # fmt: skip
    for part in range(2):
        answers = vl.Predictions(
            video="a", model="m", backend="torch", title="torch:m", labels=vl.LabelMap(LABELS),
            frame_index=np.arange(6) + 6 * part, time_seconds=np.arange(6) / 5 + part,
            logits=np.zeros((6, len(LABELS)), np.float32),
        )  # fmt: skip
        checkpoint = Checkpoint(
            fingerprint=Fingerprint(size_bytes=3, mtime_ns=4, sha256="00" * 32),
            made_with="{}", seconds=0.5, num_parts=part + 1, carried=(carried,),
        )  # fmt: skip
        Checkpoints(Store(folder)).write("a", checkpoint, [answers])


def _keypoints(path: Path) -> None:
    from vidlab.pose import Poses, write_coco

    with tempfile.TemporaryDirectory() as place:
        kept = Path(place) / "poses.parquet"
        _poses(kept)
        write_coco(Poses.load(kept), path)


def _marks(path: Path) -> None:
    """Write segments of two videos, as an Annotator keeps them."""
    rows = [(_MARKED, 0.0, 0.5, "squat"), (_MARKED, 0.5, "", "한국어"), ("b.mp4", "", "", "a, b")]
    lines = ["video,start_seconds,end_seconds,label,by"]
    lines += [f'{video},{start},{end},"{label}",me' for video, start, end, label in rows]
    path.write_text("\n".join(lines), encoding="utf-8")


def _table(path: Path) -> None:
    """Write a table that has the columns of all kinds that people hand in."""
    import pandas as pd

    pd.DataFrame(
        {
            "video": [str(_MARKED)] * 4, "start_seconds": [0.0, 0.2, 0.4, 0.6],
            "end_seconds": [0.2, 0.4, 0.6, 0.8], "label": [*LABELS, "squat"],
            "model": ["m"] * 4, "predicted": ["squat"] * 4, "probability": [0.5, 0.25, 1.0, 0.0],
            "frame_index": [0, 1, 2, 3], "person": [0, 0, 1, 1],
            "x_px": [1.0] * 4, "y_px": [2.0] * 4, "width_px": [3.0] * 4, "height_px": [4.0] * 4,
            "confidence": [0.5] * 4, "keypoint": ["nose", "left_eye", "nose", "left_eye"],
        }
    ).to_parquet(path, index=False)  # fmt: skip


def _archive(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name in ("saved_model.pb", "variables/variables.index", "a" * 120):
            entry = tarfile.TarInfo(name)
            entry.size = 700
            archive.addfile(entry, io.BytesIO(bytes(range(70)) * 10))


def _picture(path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def _pytorch(**how: bool) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        import torch

        from vidlab.models.convert import load_safetensors

        torch.save(load_safetensors(_XS.with_suffix(".safetensors")).state_dict(), path, **how)

    return make


def _torchvision(path: Path) -> None:
    import torch

    from vidlab.core.dependencies import require

    models = require("torchvision.models", why="a file of weights")
    torch.manual_seed(0)
    torch.save(models.get_model(_TORCHVISION, num_classes=5).state_dict(), path)


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


def read_model(backend: str, known: str | None = None) -> Callable[[Path], None]:
    """Return what loads weights with a backend, and a card, and answers a picture or a clip."""

    def read(path: Path) -> None:
        import vidlab as vl

        # No card knows a damaged file by its checksum; a LiteRT file says enough of itself.
        cards = {"keras": "stickactions-pictures", "litert": None, "transformers": None}
        card = known or cards.get(backend, "stickactions-xs-stream")
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


def convert_pickle(path: Path) -> None:
    from safetensors import safe_open

    from vidlab.models.convert import convert as carry_over
    from vidlab.models.movinet import MovinetConfig

    with safe_open(_XS.with_suffix(".safetensors"), framework="pt") as stream:
        config = MovinetConfig.from_json(stream.metadata()["config"])
    carry_over(path, path.with_suffix(".safetensors"), config=config, weights_only=True)


def read_torchvision(path: Path) -> None:
    import vidlab as vl

    card = vl.ModelCard(
        name=_TORCHVISION, title="Squeeze", family="torchvision", kind="frame", layout="BCHW",
        preprocessing=vl.Preprocessing(height_px=64, width_px=64),
    )  # fmt: skip
    model = vl.load_model(path, backend="torch", card=card, num_threads=1)
    model.step(np.ones((1, 64, 64, 3), np.float32), model.init_state())


def read_keypoints(path: Path) -> None:
    from vidlab.pose import from_coco

    from_coco(path).table.describe()


def read_marks(path: Path) -> None:
    """Read an Annotator's file, and write into it."""
    import vidlab as vl
    from vidlab.widgets.segments import SegmentFile

    with vl.Video(_MARKED) as video:
        file = SegmentFile(path, video)
        file.write([*file.read(), (0.1, 0.2, "new")])


def read_table(path: Path) -> None:
    """Hand a table to all that takes one, where pandas can read it at all."""
    import pandas as pd

    from vidlab import clips
    from vidlab.core.errors import DatasetError, VidlabError
    from vidlab.many.listing import list_videos
    from vidlab.sharing.segments import read_segments as read_shared
    from vidlab.widgets.annotations import read_boxes, read_truth
    from vidlab.widgets.curves import read_curves
    from vidlab.widgets.keypoints import read_keypoints as read_points
    from vidlab.widgets.quiz_questions import read_clips

    try:
        table = pd.read_parquet(path)
        table.to_dict()  # texts that are none are found as they are looked at
    except Exception as error:  # pandas' own matter
        raise DatasetError("pandas cannot read it") from error
    boxes = ["frame_index", "x_px", "y_px", "width_px", "height_px", "label", "person"]
    points = ["frame_index", "person", "keypoint", "x_px", "y_px", "confidence"]
    refused = []
    for read in (
        clips.read_segments,
        lambda table: list_videos(table[:1]),
        read_shared,
        lambda table: read_truth(table, video=_MARKED.name),
        lambda table: read_clips(table, None),
        lambda table: read_boxes(table.filter(boxes)),
        lambda table: read_curves(table.filter(["frame_index", "person", "x_px", "confidence"])),
        lambda table: read_points(table.filter(points), None),
    ):
        try:
            read(table)
        except VidlabError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def read_archive(path: Path) -> None:
    """Unpack an archive: whatever it holds, nothing lies outside the folder."""
    from vidlab.models.archives import unpack

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "inside"
        try:
            unpack(path, folder, what="The archive")
        finally:
            assert {each.name for each in Path(place).iterdir()} <= {"inside"}


def read_picture(path: Path) -> None:
    """Take a picture as a page's camera sends it."""
    import threading

    from vidlab.live.sources import PushedSource

    source = PushedSource()
    source.push(path.read_bytes(), time_seconds=0.0)
    source.end()
    for picture in source.pictures(threading.Event(), lambda *words: None):
        picture.make_rgb().mean()


def _go_on_with_parts(folder: Path) -> None:
    """Do what a worker does first; what is damaged is nothing, and no error."""
    from vidlab.core.errors import PredictionsError
    from vidlab.many.checkpoints import Checkpoints
    from vidlab.many.store import Store

    checkpoints = Checkpoints(Store(folder))
    try:
        kept = checkpoints.read("a")
    except Exception as error:
        raise AssertionError("a damaged checkpoint is as none") from error
    if kept is None:
        raise PredictionsError("begun anew")
    checkpoints.answers("a", min(kept.num_parts, 3), model=0)


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
_MARKED = ROOT / "data" / "waving_hand.mp4"
_TORCHVISION = "squeezenet1_1"  # the least to write, of those with a classifier's bias at the end
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
    Target("kept parts", "light", ".zip", _folder(_kept_parts), _of_folder(_go_on_with_parts)),
    Target("keypoints", "light", ".json", _keypoints, read_keypoints),
    Target("marks", "light", ".csv", _marks, read_marks, is_text=True),
    Target("table", "light", ".parquet", _table, read_table),
    Target("archive", "light", ".tgz", _archive, read_archive),
    *(Target(f"picture as {suffix[1:]}", "light", suffix, _picture, read_picture, share=1)
      for suffix in (".jpg", ".png", ".webp")),
    Target("pytorch", "models", ".pt", _pytorch(), convert_pickle, share=1),
    Target("old pytorch", "models", ".pt", _pytorch(_use_new_zipfile_serialization=False),
           convert_pickle, share=1),
    Target("torchvision", "models", ".pth", _torchvision, read_torchvision, share=1),
    Target("pictures", "models", ".safetensors", _copy(_PICTURES.with_suffix(".safetensors")),
           read_model("torch", "stickactions-pictures"), share=1),
    Target("converted savedmodel", "savedmodel", ".zip",
           _folder(lambda folder: shutil.copytree(f"{_XS}-savedmodel", folder)),
           _of_folder(convert, lambda folder: convert(folder / "variables")), share=1),
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
