"""What every model offers, whatever runtime is behind it."""

from __future__ import annotations

import copy
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import ModelError, OptionError
from vidlab.core.labels import LabelMap
from vidlab.core.machine import num_cores
from vidlab.core.probabilities import softmax
from vidlab.models.card import ModelCard
from vidlab.transforms import Preprocessing

if TYPE_CHECKING:
    from vidlab.models.opening import Opening

State = Any
"""What ``step`` carries from call to call; its form is the backend's own."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of a model's answers go into a table (the options of the official sample).

    Attributes:
        max_results: Rows per frame; None for every class.
        score_threshold: Probability below which a row is left out.
        label_allow_list: Only these labels; None for all.
        label_deny_list: All but these labels.
    """

    max_results: int | None = 5
    score_threshold: float = 0.0
    label_allow_list: tuple[str, ...] | None = None
    label_deny_list: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.max_results is not None:
            object.__setattr__(self, "max_results", count(self.max_results, "max_results"))
        threshold = self.score_threshold
        if not isinstance(threshold, (int, float, np.number)) or not 0.0 <= threshold <= 1.0:
            raise OptionError(
                f"score_threshold is a probability between 0 and 1; got {threshold!r}."
            )
        for name in ("label_allow_list", "label_deny_list"):
            labels = getattr(self, name)
            if isinstance(labels, str):
                raise OptionError(f"{name} is a list of labels; got the string {labels!r}.")
            if labels is not None:
                object.__setattr__(self, name, tuple(labels))
        if self.label_allow_list is not None and self.label_deny_list is not None:
            raise OptionError("Give label_allow_list or label_deny_list, not both.")

    def updated(self, **changes: Any) -> Selection:
        """Return a copy with the options that are not None replaced.

        ``max_results="all"`` asks for every class; an allow list replaces a deny list, and the
        other way round.
        """
        given = {key: value for key, value in changes.items() if value is not None}
        if given.get("max_results") == "all":
            given["max_results"] = None
        if "label_allow_list" in given:
            given.setdefault("label_deny_list", None)
        elif "label_deny_list" in given:
            given.setdefault("label_allow_list", None)
        return replace(self, **given)

    def class_ids(self, labels: LabelMap) -> NDArray[np.int64]:
        """Return the ids of the classes that may appear, in ascending order.

        Raises:
            LabelMapError: A listed label is not in the map.
            OptionError: No class is left.
        """
        if self.label_allow_list is not None:
            ids: Iterable[int] = {labels.id_of(label) for label in self.label_allow_list}
        else:
            denied = {labels.id_of(label) for label in self.label_deny_list or ()}
            ids = set(range(len(labels))) - denied
        chosen = np.array(sorted(ids), dtype=np.int64)
        if not chosen.size:
            raise OptionError("The label lists leave no class to report.")
        return chosen

    def top(
        self, labels: LabelMap, probabilities: NDArray[np.float32], allowed: NDArray[np.int64]
    ) -> tuple[tuple[str, float], ...]:
        """Return what may appear of one frame's answer: labels and probabilities, best first.

        Args:
            labels: Label of each class.
            probabilities: float32 ``[num_classes]``.
            allowed: What `class_ids` returned.
        """
        order = allowed[np.argsort(-probabilities[allowed], kind="stable")]
        return tuple(
            (labels[i], float(probabilities[i]))
            for i in order[: self.max_results]
            if probabilities[i] >= self.score_threshold
        )


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What exactly is running.

    Attributes:
        weights_file: Name of the weights file or directory.
        weights_sha256: Hash of its content; empty for a network of the user's own.
        place: ``"path"``, ``"mirror"``, ``"cache"``, ``"package"`` (shipped with vidlab) or
            ``"memory"`` (a network of the user's own).
        runtime: Library and version, such as ``"torch 2.11.0"``.
        converted_from: Format the weights were carried over from, if they were.
    """

    weights_file: str
    weights_sha256: str
    place: str
    runtime: str
    converted_from: str | None = None


class LoadedModel(ABC):
    """What any model that is loaded and ready says of itself.

    It is a `Model`, which answers with labels, or a `~vidlab.models.pose.base.PoseModel`, which
    answers with people's keypoints.

    Attributes:
        card: What is known about it.
        variant: Name of the weights in use, such as ``"int8"``.
        backend: Runtime, such as ``"litert"``.
        num_threads: Threads the runtime computes with.
        provenance: What exactly is running.
        opening: What it was opened with; None for a network of the user's own.
    """

    backend: str
    opening: Opening | None = None

    def __init__(
        self, *, card: ModelCard, variant: str, provenance: Provenance, num_threads: int
    ) -> None:
        self.card = card
        self.variant = variant
        self.provenance = provenance
        self.num_threads = num_threads

    @property
    def name(self) -> str:
        """Name of the card."""
        return self.card.name

    @property
    def title(self) -> str:
        """Name that tells this model from others on the same video."""
        return f"{self.backend}:{self.name} ({self.variant})"

    def record(self) -> dict[str, Any]:
        """Return what is to be known of it beside its answers: names and provenance."""
        return {
            "name": self.name,
            "variant": self.variant,
            "backend": self.backend,
            "title": self.title,
            **asdict(self.provenance),
        }


class Model(LoadedModel):
    """A model that answers with labels.

    Subclasses are one per backend; all take the same numbers and give the same numbers.

    Attributes:
        labels: Label of each logit.
        preprocessing: How a frame becomes an input.
        selection: Default options of the tables made with it.
        chunk_frames: How many frames at a time run fastest.
        takes_any_size: Whether frames of another size than its card's can be run.
    """

    chunk_frames: int = 1
    takes_any_size: bool = False

    def __init__(
        self,
        *,
        card: ModelCard,
        variant: str,
        labels: LabelMap,
        provenance: Provenance,
        num_threads: int,
        selection: Selection,
    ) -> None:
        super().__init__(card=card, variant=variant, provenance=provenance, num_threads=num_threads)
        self.labels = labels
        self.preprocessing: Preprocessing = card.preprocessing
        self.selection = selection
        selection.class_ids(labels)  # a wrong label is told now, not after an hour of video

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return len(self.labels)

    def prepared_by(self, preprocessing: Preprocessing) -> Self:
        """Return this model with another preprocessing; both run the same weights.

        Raises:
            ModelError: It makes pictures of a size that the model cannot take.
        """
        if preprocessing.size_px != self.preprocessing.size_px and not self.takes_any_size:
            want, got = self.preprocessing, preprocessing
            raise ModelError(
                f"{self.title} takes pictures of {want.width_px}x{want.height_px} px only; "
                f"{got.width_px}x{got.height_px} px were asked for."
            )
        model = copy.copy(self)
        model.preprocessing = preprocessing
        return model

    @abstractmethod
    def init_state(self) -> State:
        """Return the state before the first frame of a video.

        Raises:
            ModelError: The model is not a streaming one.
        """

    @abstractmethod
    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames of a video.

        Args:
            frames: float32 ``[T, height_px, width_px, 3]``, prepared by `preprocessing`; T >= 1.
            state: What the last call returned, or :meth:`init_state`; it is not changed.

        Returns:
            Logits after each frame, float32 ``[T, num_classes]``, and the state after the last.

        Raises:
            ModelError: The frames have another shape or type, or the model is not streaming.
        """

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips, each on its own.

        Args:
            clips: float32 ``[B, T, height_px, width_px, 3]``.

        Returns:
            Logits, float32 ``[B, num_classes]``; a streaming model's after the last frame.
        """
        return np.stack([self.step(clip, self.init_state())[0][-1] for clip in clips])

    def check_frames(self, frames: NDArray[np.float32]) -> None:
        """Refuse frames that this model cannot take.

        Raises:
            ModelError: With what was got and what is expected.
        """
        shape = (self.preprocessing.height_px, self.preprocessing.width_px, 3)
        if frames.ndim != 4 or frames.shape[1:] != shape or len(frames) < 1:
            raise ModelError(
                f"{self.title} takes frames [T, {shape[0]}, {shape[1]}, 3] with T >= 1; got "
                f"{list(frames.shape)}. Prepare them with model.preprocessing(rgb)."
            )
        if frames.dtype != np.float32:
            raise ModelError(
                f"{self.title} takes float32 frames; got {frames.dtype}. "
                "Prepare them with model.preprocessing(rgb)."
            )

    def __repr__(self) -> str:
        size = self.preprocessing
        threads = f"{self.num_threads} thread{'s' if self.num_threads != 1 else ''}"
        return (
            f"<{self.title}: {self.num_classes} classes, {size.width_px}x{size.height_px} px, "
            f"{self.provenance.runtime}, {threads}, from {self.provenance.weights_file}>"
        )


class FrameModel(Model):
    """A model that answers for each picture on its own, whatever came before it."""

    @abstractmethod
    def answer(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits ``[N, num_classes]`` of pictures that were checked."""

    def init_state(self) -> State:
        """Return nothing: such a model remembers nothing."""
        return None

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames of a video, each on its own."""
        self.check_frames(frames)
        return self.answer(frames), state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips; the logits are the logarithm of the frames' mean probabilities."""
        means = np.stack([softmax(self.step(clip, None)[0]).mean(axis=0) for clip in clips])
        logits: NDArray[np.float32] = np.log(np.maximum(means, np.finfo(np.float32).tiny))
        return logits


def check_model(model: object) -> Model:
    """Return `model`, which answers with labels, and refuse anything else.

    Raises:
        OptionError: It finds keypoints, or is no loaded model; the message says what to do.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, LoadedModel):
        raise OptionError(
            f"{model.title} finds keypoints, not labels: vidlab.predict(video, model) gives its "
            "Poses, and vidlab.pose what goes on from there."
        )
    raise OptionError(
        f"A loaded model is needed, such as vidlab.load_model('movinet-a0-stream'); got {model!r}."
    )


def count(value: object, what: str, *, at_most: int | None = None) -> int:
    """Return `value` as a positive int.

    Raises:
        OptionError: It is not one, or is more than `at_most`.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1 or (at_most is not None and number > at_most):
        most = "" if at_most is None else f", at most {at_most}"
        raise OptionError(f"{what} must be a whole number of at least 1{most}; got {value!r}.")
    return number


def default_num_threads() -> int:
    """Return how many threads a runtime gets when the caller does not say.

    Half the cores: the other half decodes. On two busy cores a second spinning OpenMP thread
    makes torch slower, not faster.
    """
    return max(1, num_cores() // 2)
