"""Recipes: what the tutorials and samples that people start from do with a video.

A recipe is a preprocessing, a choice of frames, and how they are put into clips. A *faithful* one
does exactly what its source does, faults and all; where the source has a known fault, there is
also a *corrected* one::

    vl.predict(video, model, recipe="tfhub-movinet")
    vl.predict(video, model, recipe="tfhub-movinet:corrected")
    vl.list_recipes()                                                 # all of them

Frames are numbered as vidlab reads them. Where a source looks at a clock, the video's own
timestamps take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, SamplingError, did_you_mean
from vidlab.models.card import Kind, ModelCard
from vidlab.sampling import Tail, windows
from vidlab.transforms import Preprocessing

if TYPE_CHECKING:
    import pandas as pd

    from vidlab.video import Video

Indices = NDArray[np.int64]

BLACK = -1
"""Stands in a clip for a picture of zeros, where the source fills up with them."""

AS_CARD = None
"""The pixels of a recipe that prepares frames as the model's card says."""

CORRECTED = ":corrected"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What one source does with a video.

    Attributes:
        name: Name that ``predict`` takes; a corrected one ends in ``":corrected"``.
        title: Name for people.
        source: Where it is described, as an address.
        about: What it does, in a sentence.
        kinds: Kinds of models that it is for.
        pixels: Settings of its preprocessing; the size is the model's own where none is named.
            `AS_CARD` for what the model's card says.
        pick: Takes a video and the card, gives the frames it looks at.
        group: Takes how many frames that is, and the card; gives clips of their places. Only
            for models that answer for whole clips.
        fault: What the source does wrong, in a sentence.
        keeps_first_answer: Whether it gives the first frame's answer for every frame.
    """

    name: str
    title: str
    source: str
    about: str
    kinds: tuple[Kind, ...]
    pixels: Mapping[str, Any] | None = field(default_factory=dict)
    pick: Callable[[Video, ModelCard], Indices]
    group: Callable[[int, ModelCard], list[Indices]] | None = None
    fault: str = ""
    keeps_first_answer: bool = False

    def preprocessing(self, card: ModelCard) -> Preprocessing:
        """Return how it prepares frames for a model."""
        own = card.preprocessing
        if self.pixels is None:
            return own
        size = {"height_px": own.height_px, "width_px": own.width_px}
        return Preprocessing(**(size | dict(self.pixels)))

    def frame_indices(self, video: Video, card: ModelCard) -> Indices:
        """Return the frames that it looks at, int64 ``[N]``, increasing.

        Raises:
            OptionError: The recipe is for another kind of model.
        """
        self.check_kind(card)
        return self.pick(video, card)

    def clips(self, video: Video, card: ModelCard) -> list[Indices] | None:
        """Return the frames of each clip, in the order of the clips' last frames.

        `BLACK` stands for a picture of zeros. A clip that the source takes several times is given
        as often: it weighs more in the mean.

        Returns:
            int64 ``[num_frames]`` each; None where the model answers for each frame.

        Raises:
            OptionError: The recipe is for another kind of model.
            SamplingError: The video is too short for even one clip.
        """
        frames = self.frame_indices(video, card)
        if self.group is None or card.answers_every_frame:
            return None
        found = [
            np.where(places == BLACK, BLACK, frames[places])
            for places in self.group(len(frames), card)
        ]
        if not found:
            raise SamplingError(
                f"{video.name} has {len(frames)} frames for the recipe {self.name!r}, which is "
                "too few for one clip."
            )
        return found

    def check_kind(self, card: ModelCard) -> None:
        """Refuse a model that the recipe is not for.

        Raises:
            OptionError: With what it is for.
        """
        if card.kind not in self.kinds:
            raise OptionError(
                f"The recipe {self.name!r} is for {' and '.join(self.kinds)} models; {card.name} "
                f"is a {card.kind} model."
            )


def recipe_named(name: str) -> Recipe:
    """Return a recipe.

    Args:
        name: Its name; ``":corrected"`` at the end asks for the one without the source's fault.

    Raises:
        OptionError: There is none of that name, or it repeats no fault of its source.
    """
    known = _recipes()
    if name in known:
        return known[name]
    base = name.removesuffix(CORRECTED)
    if base in known:
        raise OptionError(f"The recipe {base!r} repeats no fault; there is nothing to correct.")
    raise OptionError(
        f"No recipe is called {name!r}; there are {', '.join(known)}." + did_you_mean(name, known)
    )


def list_recipes() -> pd.DataFrame:
    """Return every recipe: columns ``recipe, title, models, about, fault, source``."""
    from vidlab.core.listing import Listing

    return Listing(
        [
            (item.name, item.title, ", ".join(item.kinds), item.about, item.fault, item.source)
            for item in _recipes().values()
        ],
        columns=["recipe", "title", "models", "about", "fault", "source"],
    )


# ---------------------------------------------------------------- choices of frames


def every_frame(video: Video, card: ModelCard) -> Indices:
    """Every frame, whatever the video's rate."""
    return np.arange(len(video), dtype=np.int64)


def gated(fps: float, slack: float) -> Callable[[Video, ModelCard], Indices]:
    """Take a frame that comes 1 / fps, less some slack, after the last one taken."""

    def pick(video: Video, card: ModelCard) -> Indices:
        taken: list[int] = []
        last = -np.inf
        for index, pts in enumerate(video.pts_seconds.tolist()):
            # Timestamps are fractions of ticks: the exact one may be missed by a rounding.
            if (pts - last) * fps >= 1.0 - slack - 1e-9:
                taken.append(index)
                last = pts
        return np.array(taken, dtype=np.int64)

    return pick


def resampled(video: Video, card: ModelCard) -> Indices:
    """Take frames by number as if their rate were constant, as torchvision's VideoClips does."""
    step = video.fps / (card.preprocessing.frame_rate or video.fps)
    if step == int(step):
        return np.arange(0, len(video), int(step), dtype=np.int64)
    places = np.arange(int(len(video) / step), dtype=np.float32) * np.float32(step)
    taken: Indices = np.floor(places).astype(np.int64)
    return taken


# ---------------------------------------------------------------- ways to make clips of them


def whole(num_frames: int, card: ModelCard) -> list[Indices]:
    """One clip of all frames."""
    return [np.arange(num_frames, dtype=np.int64)] if num_frames else []


def sliding(
    *, hop: int | None = None, tail: Tail = "drop"
) -> Callable[[int, ModelCard], list[Indices]]:
    """Clips as long as the model's, one every `hop` frames, or one after the other."""

    def group(num_frames: int, card: ModelCard) -> list[Indices]:
        return windows(num_frames, card.num_frames, hop=hop, tail=tail)

    return group


def spread(num_frames: int, card: ModelCard) -> list[Indices]:
    """As many clips as the card says, spread evenly, as torchvision's UniformClipSampler."""
    starts = num_frames - card.num_frames + 1
    if starts < 1:
        return []
    chosen = np.floor(np.linspace(0, starts - 1, card.clips_per_video)).astype(np.int64)
    return [start + np.arange(card.num_frames, dtype=np.int64) for start in chosen]


def strided(*, num_frames: int, stride: int) -> Callable[[int, ModelCard], list[Indices]]:
    """One clip from the start, each frame `stride` after the last, then zeros."""

    def group(total: int, card: ModelCard) -> list[Indices]:
        places = np.arange(num_frames, dtype=np.int64) * stride
        return [np.where(places < total, places, BLACK)] if total else []

    return group


# ---------------------------------------------------------------- the recipes

_TFLITE = "https://github.com/tensorflow/examples/tree/master/lite/examples/video_classification"
_OPENCV_PIXELS = {
    "resize": "crop",
    "resampling": "opencv",
    "scale": 1.0,
    "mean": (114.7748, 107.7354, 99.4750),
}
_HARA_MEAN, _HARA_STD = (0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)

_FAITHFUL = (
    Recipe(
        name="tflite-raspberry-pi",
        title="TensorFlow Lite sample for the Raspberry Pi",
        source=f"{_TFLITE}/raspberry_pi",
        about="Each frame is mirrored and stretched; 5 a second, with a tenth of slack. Its "
        "softmax, which overflows with logits above 88, is not repeated.",
        kinds=("stream",),
        pixels={"mirror": True, "resampling": "opencv"},
        pick=gated(5.0, 0.1),
    ),
    Recipe(
        name="tflite-android",
        title="TensorFlow Lite sample for Android",
        source=f"{_TFLITE}/android",
        about="The middle square of each frame is resized; 5 a second, with a tenth of slack.",
        kinds=("stream",),
        pixels={"square_first": True, "is_rounded": True},
        pick=gated(5.0, 0.1),
    ),
    Recipe(
        name="tfhub-movinet",
        title="TensorFlow Hub's MoViNet tutorial",
        source="https://www.tensorflow.org/hub/tutorials/movinet",
        about="Every frame is stretched; base models take the whole video as one clip.",
        kinds=("stream", "clip"),
        pick=every_frame,
        group=whole,
        fault="Its loop over a stream appends the first frame's logits again and again.",
        keeps_first_answer=True,
    ),
    Recipe(
        name="movinet-plot",
        title="Model Garden's MoViNet notebook that plots a stream",
        source="https://github.com/tensorflow/models/tree/master/official/projects/movinet",
        about="Every frame is fitted in, with black around it.",
        kinds=("stream",),
        pixels={"resize": "fit"},
        pick=every_frame,
    ),
    Recipe(
        name="movinet-transfer",
        title="TensorFlow's tutorial of transfer learning with MoViNet",
        source="https://www.tensorflow.org/tutorials/video/transfer_learning_with_movinet",
        about="One clip of 8 frames, 15 apart, fitted into 224 px, from the start of the video "
        "(there: from a random frame), and zeros after its end.",
        kinds=("clip",),
        pixels={"resize": "fit", "height_px": 224, "width_px": 224},
        pick=every_frame,
        group=strided(num_frames=8, stride=15),
    ),
    Recipe(
        name="opencv-activity-batch",
        title="Human activity recognition with OpenCV, batch by batch",
        source="https://github.com/opencv/opencv/blob/4.x/samples/dnn/action_recognition.py",
        about="Made 400 px wide, resized and cut to the middle; clips of 16 frames end to end.",
        kinds=("clip",),
        pixels=_OPENCV_PIXELS | {"width_first_px": 400},
        pick=every_frame,
        group=sliding(),
        fault="It drops what is left after the last whole clip.",
    ),
    Recipe(
        name="opencv-activity-rolling",
        title="Human activity recognition with OpenCV, rolling",
        source="https://github.com/opencv/opencv/blob/4.x/samples/dnn/action_recognition.py",
        about="Made 400 px wide, resized and cut to the middle; a clip of the last 16 frames "
        "after every frame.",
        kinds=("clip",),
        pixels=_OPENCV_PIXELS | {"width_first_px": 400},
        pick=every_frame,
        group=sliding(hop=1),
    ),
    Recipe(
        name="opencv-sample",
        title="OpenCV's own sample action_recognition.py",
        source="https://github.com/opencv/opencv/blob/4.x/samples/dnn/action_recognition.py",
        about="Resized and cut to the middle; clips of 16 frames end to end.",
        kinds=("clip",),
        pixels=_OPENCV_PIXELS,
        pick=every_frame,
        group=sliding(),
        fault="It drops what is left after the last whole clip.",
    ),
    Recipe(
        name="torchvision",
        title="torchvision's video models, as their reference scripts evaluate them",
        source="https://github.com/pytorch/vision/tree/main/references/video_classification",
        about="The weights' own transforms, rate and number of clips, spread evenly.",
        kinds=("clip",),
        pixels=AS_CARD,
        pick=resampled,
        group=spread,
    ),
    Recipe(
        name="3d-resnets",
        title="3D-ResNets-PyTorch (Hara et al.)",
        source="https://github.com/kenshohara/3D-ResNets-PyTorch",
        about="The short side is resized by Pillow and the middle cut out; clips of 16 frames "
        "end to end, the last one filled up from its own start.",
        kinds=("clip",),
        pixels={
            "height_px": 112, "width_px": 112, "resize_to_px": (112,), "resampling": "pillow",
            "mean": _HARA_MEAN, "std": _HARA_STD,
        },
        pick=every_frame,
        group=sliding(tail="loop"),
    ),
)  # fmt: skip

_CORRECTIONS: dict[str, dict[str, Any]] = {
    "tfhub-movinet": {"keeps_first_answer": False},
    "opencv-activity-batch": {"group": sliding(tail="pad")},
    "opencv-sample": {"group": sliding(tail="pad")},
}


def _recipes() -> dict[str, Recipe]:
    found = {item.name: item for item in _FAITHFUL}
    for name, changes in _CORRECTIONS.items():
        fixed = replace(found[name], name=name + CORRECTED, fault="", **changes)
        found[fixed.name] = fixed
    return dict(sorted(found.items()))
