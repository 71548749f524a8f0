"""How to open a loaded model once more: plain data, which other processes and machines can take."""

from __future__ import annotations

from dataclasses import dataclass

from vidlab.core.errors import OptionError
from vidlab.models.base import LoadedModel, Model, Selection
from vidlab.models.baseline import SingleFrames, single_frames
from vidlab.models.opening import Opening
from vidlab.models.registry import backends
from vidlab.transforms import Preprocessing


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What it takes to open a model again; it can be pickled.

    The weights are named, not held: where it is opened, they must lie at the same path.

    Attributes:
        backend: Runtime, such as ``"litert"``.
        opening: Where the weights are, and the options that they were opened with.
        preprocessing: The model's, which may be another than its card's; None for one of keypoints.
        selection: Options of tables; None for one of keypoints.
        has_no_memory: Whether it is what :func:`~vidlab.single_frames` made.
    """

    backend: str
    opening: Opening
    preprocessing: Preprocessing | None
    selection: Selection | None
    has_no_memory: bool

    def open(self) -> LoadedModel:
        """Open the model.

        Raises:
            WeightsError: The weights are not what they claim to be.
            MissingDependencyError: The backend is not installed.
        """
        model = open_with(self.backend, self.opening)
        if isinstance(model, Model) and self.preprocessing is not None:
            model = model.prepared_by(self.preprocessing)
            model.selection = self.selection or model.selection
        return single_frames(model) if self.has_no_memory else model


def open_with(backend: str, opening: Opening) -> LoadedModel:
    """Open weights with a backend; the model keeps how, so that it can be opened again."""
    model = backends()[backend].open(opening)
    model.opening = opening
    return model


def spec_of(model: LoadedModel) -> ModelSpec:
    """Return how to open a loaded model once more.

    Raises:
        OptionError: It is not from files, but a network that only this process has.
    """
    if model.opening is None:
        raise OptionError(
            f"{model.title} is a network of this process alone; another one can only open what is "
            "in files. Save it (vidlab.export, or the folder that vidlab.fit writes) and give "
            "what load_model returns for the file."
        )
    return ModelSpec(
        backend=model.backend,
        opening=model.opening,
        preprocessing=model.preprocessing if isinstance(model, Model) else None,
        selection=model.selection if isinstance(model, Model) else None,
        has_no_memory=isinstance(model, SingleFrames),
    )
