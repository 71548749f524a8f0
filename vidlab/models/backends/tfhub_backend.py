"""TensorFlow Hub: the published SavedModels, base and stream, run by TensorFlow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, WeightsError
from vidlab.models.backends.tensorflow_threads import set_threads, threads_in_force
from vidlab.models.base import Model, State
from vidlab.models.opening import Opening
from vidlab.models.pose.base import PoseModel
from vidlab.models.pose.opening import open_poses

# TensorFlow's operations (tensorflow/core/ops) that touch files, consoles or Python at will.
_REACHES_OUT = re.compile(
    r"(ReadFile|WriteFile|MatchingFiles|PyFunc|EagerPyFunc|PrintV2|Debug|FileSystem"
    r"|CreateSummary|Save.*Dataset|Load.*Dataset|Snapshot|CacheDataset"
    r"|(WholeFile|TextLine|TFRecord|FixedLengthRecord|LMDB)(Reader|Dataset))"
)

#: What the stream exports call the function that makes their zero states.
_INIT_STATES = "init_states"


class TFHubModel(Model):
    """A MoViNet SavedModel in TF-Hub's form.

    Stream models have the signatures ``call`` (image and states in, logits and states out) and
    ``init_states``; base models are called with ``{"image": clips}``. State names and numbers
    are whatever the export says.
    """

    backend = "tfhub"

    def __init__(self, module: Any, **about: Any) -> None:
        super().__init__(**about)
        self._tf = require("tensorflow", why="the tfhub backend")
        self._module = module
        self._is_stream = is_stream(module)
        self.takes_any_size = takes_any_size(module)

    def init_state(self) -> State:
        """Return the export's own zero states for one video."""
        if not self._is_stream:
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )
        size = self.preprocessing
        shape = self._tf.constant([1, 1, size.height_px, size.width_px, 3], self._tf.int32)
        return dict(self._module.signatures[_INIT_STATES](shape))

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames, one at a time: the export answers only after its last frame."""
        self.check_frames(frames)
        if not self._is_stream:
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )
        call = self._module.signatures["call"]
        logits = np.empty((len(frames), self.num_classes), dtype=np.float32)
        for index, frame in enumerate(frames):
            outputs = dict(call(image=self._tf.constant(frame[None, None]), **state))
            logits[index] = outputs.pop("logits").numpy()[0]
            state = outputs
        return logits, state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips ``[B, T, H, W, 3]``; return logits ``[B, num_classes]``."""
        if self._is_stream:
            return super().classify(clips)
        for clip in clips:
            self.check_frames(clip)
        answer = self._module({"image": self._tf.constant(clips)})
        if isinstance(answer, dict):
            answer = answer["classifier_head" if "classifier_head" in answer else "logits"]
        return np.asarray(answer.numpy(), dtype=np.float32)


class SavedModelNetwork:
    """Any SavedModel whose serving signature takes one picture.

    Attributes:
        shape: Of the input; -1 where any size is taken.
    """

    def __init__(self, folder: Path, num_threads: int) -> None:
        self._tf = require("tensorflow", why="the tfhub backend")
        self._module = load_module(folder, num_threads=num_threads)
        try:
            self._call = self._module.signatures["serving_default"]
            ((self._name, taken),) = self._call.structured_input_signature[1].items()
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"{str(folder)!r} has no serving signature that takes one picture."
            ) from error
        self.shape = tuple(size or -1 for size in taken.shape)
        self._dtype = taken.dtype

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network; return its outputs, by name."""
        if self._dtype.is_integer:
            values = np.rint(values)
        found = self._call(**{self._name: self._tf.cast(values, self._dtype)})
        return [np.asarray(found[name].numpy(), dtype=np.float32) for name in sorted(found)]


def is_stream(module: Any) -> bool:
    """Tell whether a loaded module carries a stream state."""
    return _INIT_STATES in module.signatures and "call" in module.signatures


def takes_any_size(module: Any) -> bool:
    """Tell whether a loaded module's signature leaves height and width open."""
    name = "call" if is_stream(module) else "serving_default"
    if name not in module.signatures:
        return False
    image = module.signatures[name].structured_input_signature[1].get("image")
    return image is not None and image.shape.rank == 5 and list(image.shape[2:4]) == [None, None]


def load_module(folder: Path, *, num_threads: int) -> Any:
    """Load a SavedModel directory with tensorflow_hub.

    TensorFlow fixes its thread counts when it first computes; where that has happened with
    another number, a note says what is in force.

    Raises:
        MissingDependencyError: tensorflow or tensorflow_hub is not installed.
        WeightsError: There is no SavedModel there, or one that reaches outside its directory.
    """
    require("tensorflow", why="the tfhub backend")
    _check_operations(folder)
    hub = require("tensorflow_hub", why="the tfhub backend")
    set_threads(num_threads)
    try:
        return hub.load(str(folder))
    except Exception as error:
        # TensorFlow raises its own OpError tree, OSError and ValueError alike.
        raise WeightsError(f"{str(folder)!r} is not a SavedModel: {error}") from error


def _check_operations(folder: Path) -> None:
    """Refuse a graph that would read or write files, or call Python.

    A SavedModel is a program. What it is made of is looked through before any of it runs, for
    loading alone runs its initializers. Saving and restoring its own variables is left to it.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    graph_file = folder / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(graph_file.read_bytes())
    except (DecodeError, OSError, ValueError) as error:
        raise WeightsError(f"{str(folder)!r} is not a SavedModel: {error}") from error
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        for nodes in (graph.node, *(each.node_def for each in graph.library.function)):
            for node in nodes:
                if _REACHES_OUT.match(node.op):
                    raise WeightsError(
                        f"{str(folder)!r} is not loaded: its graph has the operation {node.op}, "
                        "which reads or writes files, or calls Python. A video model needs none; "
                        "export it without what is around the network."
                    )


def num_classes_of(module: Any) -> int:
    """Return the number of logits a loaded module gives.

    Raises:
        WeightsError: It has no output that looks like logits.
    """
    name = "call" if is_stream(module) else "serving_default"
    if name in module.signatures:
        outputs = module.signatures[name].structured_outputs
        for key in ("logits", "classifier_head"):
            if key in outputs and outputs[key].shape.rank:
                return int(outputs[key].shape[-1])
        flat = [spec for spec in outputs.values() if spec.shape.rank == 2]
        if len(flat) == 1:
            return int(flat[0].shape[-1])
    raise WeightsError("The SavedModel has no signature whose output looks like logits.")


def open_model(opening: Opening) -> TFHubModel | PoseModel:
    """Open a SavedModel directory; see `vidlab.models.registry.Backend`."""
    card = opening.known_card()
    if card.kind == "pose":
        poses = open_poses(opening, card, SavedModelNetwork, backend="tfhub", runtime=runtime())
        poses.num_threads = threads_in_force()
        return poses
    module = load_module(opening.path, num_threads=opening.num_threads)
    opening.check_kind(card, "stream" if is_stream(module) else "clip")
    about = opening.about(card, num_classes=num_classes_of(module), runtime=runtime())
    about["num_threads"] = threads_in_force()
    return TFHubModel(module, **about)


def runtime() -> str:
    """Return the runtime's name and version."""
    tf = require("tensorflow", why="the tfhub backend")
    hub = require("tensorflow_hub", why="the tfhub backend")
    return f"tensorflow {tf.__version__}, tensorflow_hub {hub.__version__}"
