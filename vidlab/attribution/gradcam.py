"""Grad-CAM: which places of its last feature map a network's answer leans on.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization": each channel of a feature map is weighed by the mean gradient of a label's logit with
respect to it; the map is what is positive of the weighted sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.attribution.answers import answers, class_of, pieces_of, see, verdict
from vidlab.attribution.heatmap import Heatmap, heatmap_of
from vidlab.core.console import progress as progress_bar
from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, OptionError, did_you_mean
from vidlab.inference import Rate, Source, as_video, rate_for
from vidlab.models.arrays import LEAST_PROBABILITY, arranged, layout_of
from vidlab.models.backends.torch_backend import TorchArrayModel, TorchFrameModel, TorchModel
from vidlab.models.base import LoadedModel, Model, State, check_model

Run = Callable[[NDArray[np.float32], State], tuple[Any, State]]
"""From frames ``[T, H, W, 3]`` and a state to logits ``[num_classes]``, which have gradients."""

# The last block of convolutions, after which places are averaged out, by the network's class: of
# vidlab's own networks and of torchvision's.
_LAST_BLOCK = {
    "MoViNet": "head.project",
    "FrameCNN": "features",
    "VideoResNet": "layer4",
    "ResNet": "layer4",
    "S3D": "features",
    "MobileNetV2": "features",
    "MobileNetV3": "features",
}


def grad_cam(
    video: Source,
    model: LoadedModel,
    *,
    label: str | None = None,
    layer: str | Any = None,
    fps: Rate = None,
    progress: bool = True,
) -> list[Heatmap]:
    """Find the places of each sampled frame that speak for a label, by the network's gradients.

    A clip model's channels are weighed once for a clip, by the mean over its places and frames, and
    each frame has the part of the map that is its own; where the network halves time, some frames
    share one. A stream model's are weighed frame by frame: the map of a frame shows what in it
    speaks for the label *right after it*, the state that it came upon being given; what earlier
    frames left in that state is not in it. As a stream model averages over the frames so far, the
    n-th one has an n-th part of the say: its map is taken n times, so that maps compare.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        model: What :func:`~vidlab.load_model` returned, of the torch backend.
        label: Which label's logit is taken; None takes the model's own answer to the whole video.
        layer: The module whose output is looked at, or its name in ``network.named_modules()``;
            it gives ``[B, C, T, H, W]``, or ``[T, C, H, W]`` with the frames side by side. None
            takes the last block of convolutions of the networks that vidlab knows.
        fps: Frames a second that the model is given, as in :func:`~vidlab.predict`.
        progress: Show a progress bar.

    Returns:
        One map a sampled frame, all to one scale.

    Raises:
        VideoError: Not one frame could be read.
        ModelError: The model is not a network in PyTorch, or an answer is not a number.
        OptionError: The layer must be named, is not there, or gives no feature map.
        LabelMapError: The model has no such label.
    """
    model = check_model(model)
    run = _run_of(model)
    network = model.network  # type: ignore[attr-defined]  # what has a way to run has a network
    block = _block(network, layer)
    class_id = class_of(model, label)
    seen = see(as_video(video), model, rate_for(model, fps))
    answer = verdict(model, answers(model, seen.pixels)[1]).probabilities
    class_id = int(answer.argmax()) if class_id is None else class_id

    is_stream = model.card.kind == "stream"
    maps: dict[int, NDArray[np.float32]] = {}
    state = model.init_state() if model.card.answers_every_frame else None
    pieces = pieces_of(model, len(seen.pixels))
    with _looking_at(block) as outputs:
        for piece in progress_bar(pieces, desc="gradients", unit="call", disable=not progress):
            logits, state = run(seen.pixels[piece], state)
            found = _cam(logits[class_id], outputs, num_frames=len(piece))
            for place, each in zip(piece.tolist(), found, strict=True):
                # Clips may share frames: the first one counts.
                maps.setdefault(place, each * (place + 1) if is_stream else each)
    top = max(float(each.max()) for each in maps.values())
    return [
        heatmap_of(
            model,
            seen,
            place,
            grid=maps[place],
            values=maps[place],
            what="Grad-CAM",
            label=model.labels[class_id],
            probability=float(answer[class_id]),
            top=top,
        )
        for place in range(len(maps))
    ]


# ---------------------------------------------------------------- the network


def _run_of(model: Model) -> Run:
    """Return what runs a model's network so that its logits have gradients.

    Raises:
        ModelError: The model has no network in PyTorch.
    """
    if isinstance(model, TorchModel):
        return _run_stream(model) if model.card.kind == "stream" else _run_clip(model)
    if isinstance(model, TorchFrameModel):
        return _run_pictures(model)
    if isinstance(model, TorchArrayModel):
        return _run_array(model)
    raise ModelError(
        f"Grad-CAM needs gradients, and {model.title} gives none. Load it with backend='torch' "
        "where there is such a form of it, or use spatial_occlusion(), which asks any model."
    )


def _run_stream(model: TorchModel) -> Run:
    torch = require("torch", why="Grad-CAM")

    def run(frames: NDArray[np.float32], state: State) -> tuple[Any, State]:
        logits, state = model.network.step(_video_tensor(torch, frames), state)
        # The state is given: no gradient goes back into the frames before.
        return logits[0, -1], {name: value.detach() for name, value in state.items()}

    return run


def _run_clip(model: TorchModel) -> Run:
    torch = require("torch", why="Grad-CAM")
    return lambda frames, state: (model.network(_video_tensor(torch, frames))[0], state)


def _run_pictures(model: TorchFrameModel) -> Run:
    torch = require("torch", why="Grad-CAM")
    return lambda frames, state: (
        model.network(torch.from_numpy(frames).permute(0, 3, 1, 2))[0],
        state,
    )


def _run_array(model: TorchArrayModel) -> Run:
    torch = require("torch", why="Grad-CAM")
    layout = layout_of(model.card)

    def run(frames: NDArray[np.float32], state: State) -> tuple[Any, State]:
        batch = frames if model.card.kind == "frame" else frames[None]
        answer = model.network(torch.from_numpy(arranged(batch, layout)))[0]
        if model.card.output == "probabilities":
            answer = answer.clamp_min(LEAST_PROBABILITY).log()
        return answer, state

    return run


def _video_tensor(torch: Any, frames: NDArray[np.float32]) -> Any:
    return torch.from_numpy(frames[None]).permute(0, 1, 4, 2, 3)


# ---------------------------------------------------------------- the feature map


def _block(network: Any, layer: Any) -> Any:
    """Return the module whose output is looked at.

    Raises:
        OptionError: It is not given and not known, or not of this network.
    """
    modules = dict(network.named_modules())
    kind = type(network).__name__
    parts = ", ".join(name for name, _ in network.named_children())
    if layer is None:
        if kind not in _LAST_BLOCK:
            raise OptionError(
                f"Which block of a {kind} to look at is not known: give layer=, its last one with "
                f"rows and columns; it has {parts}."
            )
        layer = _LAST_BLOCK[kind]
    if isinstance(layer, str):
        if layer not in modules:
            raise OptionError(
                f"The {kind} has no layer {layer!r}; it has {parts}, and more in these."
                + did_you_mean(layer, modules)
            )
        return modules[layer]
    if not any(layer is module for module in modules.values()):
        raise OptionError(
            f"layer must be a module of this {kind}, or its name; got {type(layer).__name__}."
        )
    return layer


@contextmanager
def _looking_at(block: Any) -> Iterator[list[Any]]:
    """Put what a module gives into a list, each as the start of a graph of its own.

    Raises:
        OptionError: It gives several things, or what is no tensor.
    """
    torch = require("torch", why="Grad-CAM")
    outputs: list[Any] = []

    def keep(module: Any, inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):
            raise OptionError(
                f"Grad-CAM needs a layer that gives one tensor; a {type(module).__name__} gives a "
                f"{type(output).__name__}. Give another one."
            )
        start = output.detach().requires_grad_()
        outputs.append(start)
        return start.clone()  # what follows may change it in place, and a graph's start must not

    handle = block.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


def _cam(logit: Any, outputs: list[Any], *, num_frames: int) -> NDArray[np.float32]:
    """Return the map of each frame of a clip, float32 ``[num_frames, h, w]``.

    Args:
        logit: Of the label.
        outputs: What the block gave in this run; emptied.
        num_frames: Frames of the clip.
    """
    torch = require("torch", why="Grad-CAM")
    gradient = None
    if outputs and logit.requires_grad:
        (gradient,) = torch.autograd.grad(logit, outputs[-1], allow_unused=True)
    if gradient is None:
        raise OptionError("The answer does not go through this layer; give another one.")
    features = outputs[-1].detach()
    outputs.clear()
    if features.ndim == 5:  # [1, C, T, H, W]
        features, gradient = (each[0].transpose(0, 1) for each in (features, gradient))
    elif features.ndim != 4 or len(features) != num_frames:
        raise OptionError(
            f"Grad-CAM needs a feature map, [B, C, T, H, W] or [{num_frames}, C, H, W]; this layer "
            f"gives {list(features.shape)}. Give another one."
        )
    weights = gradient.mean(dim=(0, 2, 3))
    maps = torch.einsum("c,tchw->thw", weights, features).relu().numpy()
    found: NDArray[np.float32] = maps[np.arange(num_frames) * len(maps) // num_frames]
    return found
