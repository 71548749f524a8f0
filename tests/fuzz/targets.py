"""What is fuzzed: good files to begin from, and what vidlab does with a file of each kind.

A target's `read` may return, or raise a `VidlabError`. Heavy libraries are imported inside, for
workers of a group load only what the group needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
        cards = {"torch": "stickactions-xs-stream", "keras": "stickactions-pictures"}
        card = cards.get(backend)
        model = vl.load_model(path, backend=backend, card=card, num_threads=1)
        size = model.preprocessing
        frames = np.zeros((1, size.height_px, size.width_px, 3), np.float32)
        if model.card.kind == "stream":
            model.step(frames, model.init_state())
        else:
            model.classify(frames[None])

    return read


def convert(path: Path) -> None:
    from vidlab.models.convert import convert as carry_over

    carry_over(path, path.with_suffix(".safetensors"))


_MP4 = ("jumping_jacks", "waving_hand")
_CARD = ROOT / "vidlab" / "models" / "cards" / "stickactions-xs-stream.toml"
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
)  # fmt: skip
"""Everything that is fuzzed by its bytes."""
