"""PyTorch: vidlab's own networks, with weights carried over from whatever file is here."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, OptionError, WeightsError
from vidlab.core.files import cache_dir, check_writable
from vidlab.models.arrays import ArrayModel, Call, about_array
from vidlab.models.base import FrameModel, Model, State
from vidlab.models.card import ModelCard, cards
from vidlab.models.lookup import Found, content_hash, find
from vidlab.models.opening import Opening
from vidlab.models.pickles import read_pickle
from vidlab.models.pose.base import PoseModel
from vidlab.models.pose.keypoint_rcnn import KeypointRCNN
from vidlab.models.pose.opening import about_poses

# Part of the cache's file names: raise it when a change of the converters changes weights.
_CONVERTER = "v1"


class TorchModel(Model):
    """A MoViNet in PyTorch on the CPU, folded for inference.

    Chunks of 16 frames run fastest; a chunk gives the same answers as single steps.
    """

    backend = "torch"
    chunk_frames = 16
    takes_any_size = True

    def __init__(self, network: Any, **about: Any) -> None:
        super().__init__(**about)
        self._torch = require("torch", why="the torch backend")
        self.network = network
        self._fast = network.for_inference()

    def init_state(self) -> State:
        """Return the network's zero state for one video."""
        if self.card.kind != "stream":
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )
        return self._fast.init_state()

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames in one go."""
        self.check_frames(frames)
        if self.card.kind != "stream":
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )
        # A single frame is too little for a second thread: waiting for it costs what it saves.
        self._use_threads(1 if len(frames) == 1 else self.num_threads)
        with self._torch.inference_mode():
            logits, state = self._fast.step(self._tensor(frames[None]), state)
        return logits[0].numpy(), state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips ``[B, T, H, W, 3]``; return logits ``[B, num_classes]``."""
        for clip in clips:
            self.check_frames(clip)
        self._use_threads(self.num_threads)
        with self._torch.inference_mode():
            logits: NDArray[np.float32] = self._fast(self._tensor(clips)).numpy()
        return logits

    def _tensor(self, clips: NDArray[np.float32]) -> Any:
        # [B, T, H, W, 3] in memory is [B, T, 3, H, W] with the channels last: no copy.
        return self._torch.from_numpy(clips).permute(0, 1, 4, 2, 3)

    def _use_threads(self, num_threads: int) -> None:
        # The count belongs to the process, so another model may have changed it.
        if self._torch.get_num_threads() != num_threads:
            self._torch.set_num_threads(num_threads)


class TorchFrameModel(FrameModel):
    """A network in PyTorch that looks at one picture at a time."""

    backend = "torch"
    chunk_frames = 16
    takes_any_size = True

    def __init__(self, network: Any, **about: Any) -> None:
        super().__init__(**about)
        self._torch = require("torch", why="the torch backend")
        self.network = network

    def answer(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits ``[N, num_classes]``."""
        if self._torch.get_num_threads() != self.num_threads:
            self._torch.set_num_threads(self.num_threads)
        with self._torch.inference_mode():
            pictures = self._torch.from_numpy(frames).permute(0, 3, 1, 2)
            logits: NDArray[np.float32] = self.network(pictures).numpy()
        return logits


class TorchArrayModel(ArrayModel):
    """A network of any make in PyTorch, which answers for clips or pictures.

    Attributes:
        network: The network.
    """

    def __init__(self, network: Any, call: Call, **about: Any) -> None:
        super().__init__(call, backend="torch", **about)
        self.network = network


def load_network(path: Path) -> tuple[Any, str | None]:
    """Return a network with the weights of a file, and the format they were converted from.

    Safetensors are read as they are. A LiteRT file or a SavedModel is converted once; the result
    is kept in the cache under the source's hash, so a changed source is converted again.

    Raises:
        MissingDependencyError: torch is not installed.
        ConversionError: The source does not hold a MoViNet.
        WeightsError: The file is damaged.
    """
    require("torch", why="the torch backend")
    from vidlab.models import convert
    from vidlab.models.loading import format_of

    source_format = format_of(path)
    if source_format == "safetensors":
        return convert.load_safetensors(path), None
    name = f"{content_hash(path)}-{_CONVERTER}.safetensors"
    cached = cache_dir() / "converted" / name
    if cached.is_file():
        try:
            return convert.load_safetensors(cached), source_format
        except WeightsError:
            say(f"{cached} is damaged; it is made again")
    try:
        check_writable(cached)
    except OptionError as error:
        say(f"{error} So {path.name} is converted each time; VIDLAB_CACHE names another place.")
        with tempfile.TemporaryDirectory() as folder:
            convert.convert(path, Path(folder) / name)
            return convert.load_safetensors(Path(folder) / name), source_format
    say(f"converting {path.name} to PyTorch, once; the result is kept in {cached.parent}")
    convert.convert(path, cached)
    return convert.load_safetensors(cached), source_format


def open_model(opening: Opening) -> Model | PoseModel:
    """Open safetensors, or convert other weights; see `vidlab.models.registry.Backend`."""
    if opening.found.variant.format == "pth":
        return _open_torchvision(opening)
    source = _cheapest_source(opening)
    network, converted_from = load_network(source.path)
    of_source = replace(opening, found=source)
    if not hasattr(network, "for_inference"):  # no MoViNet: it looks at single pictures
        card = opening.known_card()
        of_source.check_kind(card, "frame")
        about = of_source.about(card, num_classes=network.num_classes, runtime=runtime())
        return TorchFrameModel(network, **about)
    config = network.config
    said = f"movinet-{config.size}-{config.kind}"
    card = opening.card or cards().get(said) or opening.known_card()
    # Of a published model the name says which network it is; others may hold any.
    if re.fullmatch(r"movinet-a\d-(base|stream)", card.name) and card.name != said:
        raise OptionError(f"{source.path.name} holds a {said}; the card {card.name} is another.")
    of_source.check_kind(card, "stream" if config.causal else "clip")
    about = of_source.about(card, num_classes=config.num_classes, runtime=runtime())
    about["variant"] = opening.found.variant.name
    about["provenance"] = replace(about["provenance"], converted_from=converted_from)
    return TorchModel(network, **about)


def wrap_module(module: Any, opening: Opening) -> TorchArrayModel:
    """Return a model that runs a network of the user's own."""
    module.eval()
    call = on_arrays(module, num_threads=opening.num_threads)
    return TorchArrayModel(module, call, **about_array(call, opening, runtime=runtime()))


def on_arrays(function: Callable[[Any], Any], *, num_threads: int) -> Call:
    """Return a function from tensor to tensor as one from array to array."""
    torch = require("torch", why="the torch backend")

    def call(array: NDArray[np.float32]) -> Any:
        if torch.get_num_threads() != num_threads:
            torch.set_num_threads(num_threads)
        with torch.inference_mode():
            return function(torch.from_numpy(array)).float().cpu().numpy()

    return call


def _open_torchvision(opening: Opening) -> TorchArrayModel | PoseModel:
    """Open a checkpoint of one of torchvision's models, which the card names."""
    card = opening.known_card()
    opening.check_kind(card, "clip", "frame", "pose")
    models = require("torchvision.models", why=f"{card.name}, a model of torchvision's")
    builder = card.name.replace("-", "_")
    if card.family != "torchvision" or builder not in models.list_models():
        raise OptionError(
            f"{opening.path.name} holds tensors only, and {card.name} is no model of torchvision's "
            "that would say what to do with them. Build the network and pass it to load_model."
        )
    state = read_pickle(opening.path)
    try:
        if card.kind == "pose":
            # A detector's builder would download its backbone, which is in the file as well.
            network = models.get_model(builder, weights=None, weights_backbone=None)
        else:
            network = _classifier(models.get_model, builder, state)
        network.load_state_dict(state)
    except Exception as error:  # torch and torchvision raise what they like
        raise WeightsError(
            f"{str(opening.path)!r} does not hold the weights of torchvision's {builder}: {error}"
        ) from error
    if card.kind == "pose":
        return _wrap_detector(network, opening, card)
    return wrap_module(network, opening)


def _classifier(get_model: Callable[..., Any], builder: str, state: dict[str, Any]) -> Any:
    """Return a network of as many classes as weights have, which fit it."""
    torch = require("torch", why="the torch backend")
    *_, bias = state.values()
    with torch.device("meta"):  # where a bias of millions, of no weights, takes no memory
        blank = get_model(builder, weights=None, num_classes=len(bias))
    blank.load_state_dict(state, assign=True)
    return get_model(builder, weights=None, num_classes=len(bias))


def _wrap_detector(network: Any, opening: Opening, card: ModelCard) -> PoseModel:
    torch = require("torch", why="the torch backend")
    network.eval()

    def call(picture: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        if torch.get_num_threads() != opening.num_threads:
            torch.set_num_threads(opening.num_threads)
        with torch.inference_mode():
            (found,) = network([torch.from_numpy(picture)])
        return {name: value.numpy() for name, value in found.items()}

    return KeypointRCNN(call, backend="torch", **about_poses(opening, card, runtime()))


def _cheapest_source(opening: Opening) -> Found:
    """Return what to convert from: a twin with the same weights may need no TensorFlow."""
    found = opening.found
    twin_name = found.variant.same_weights_as
    if opening.card is None or twin_name is None or found.place == "path":
        return found
    return find(opening.card.variant(twin_name)) or found


def runtime() -> str:
    """Return the runtime's name and version."""
    return f"torch {require('torch', why='the torch backend').__version__}"
