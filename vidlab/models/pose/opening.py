"""Opening pose models, whatever runs their networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import CardError, WeightsError
from vidlab.core.skeletons import COCO_17
from vidlab.models.card import ModelCard
from vidlab.models.opening import Opening
from vidlab.models.pose.base import PoseModel
from vidlab.models.pose.blazepose import DETECTOR_PX, LANDMARKS_PX, BlazePose
from vidlab.models.pose.movenet import MoveNet
from vidlab.models.pose.multipose import NUM_PEOPLE, NUM_VALUES, MultiPose


class Network(Protocol):
    """A network of one input: float32 as the card says in, all outputs out.

    Attributes:
        shape: Of the input; -1 where any size is taken.
    """

    shape: tuple[int, ...]

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run it."""


Open = Callable[[Path, int], Network]


def open_poses(
    opening: Opening, card: ModelCard, open_network: Open, *, backend: str, runtime: str
) -> PoseModel:
    """Open a pose model of a family that is known.

    Raises:
        CardError: The card is of another family.
        WeightsError: The network takes or gives something else than its family's.
    """
    if card.task != "pose estimation":
        raise CardError(
            f"{card.name} is a part of others, and finds no keypoints by itself: {card.title}."
        )
    families = {"movenet": _movenet, "movenet-multipose": _multipose, "blazepose": _blazepose}
    if card.family not in families:
        raise CardError(
            f"{card.name} is a pose model of the family {card.family!r}; known to {backend} are "
            f"{', '.join(families)}."
        )
    return families[card.family](opening, card, open_network, backend, runtime)


def about_poses(opening: Opening, card: ModelCard, runtime: str) -> dict[str, Any]:
    """Return what every pose model is made with, but for its skeleton."""
    return {
        "card": card,
        "variant": opening.found.variant.name,
        "provenance": opening.provenance(runtime),
        "num_threads": opening.num_threads,
        "least_confidence": card.least_confidence,
    }


def _movenet(
    opening: Opening, card: ModelCard, open_network: Open, backend: str, runtime: str
) -> PoseModel:
    call = _on_pictures(opening, card, open_network, gives=(len(COCO_17), 3))
    return MoveNet(call, backend=backend, **about_poses(opening, card, runtime))


def _multipose(
    opening: Opening, card: ModelCard, open_network: Open, backend: str, runtime: str
) -> PoseModel:
    call = _on_pictures(opening, card, open_network, gives=(NUM_PEOPLE, NUM_VALUES))
    return MultiPose(call, backend=backend, **about_poses(opening, card, runtime))


def _on_pictures(
    opening: Opening, card: ModelCard, open_network: Open, *, gives: tuple[int, int]
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return a network as a function from a picture of the card's size to an array.

    Raises:
        WeightsError: It takes or gives something else.
    """
    network = open_network(opening.path, opening.num_threads)
    height, width = card.preprocessing.size_px
    takes = (1, height, width, 3)
    if len(network.shape) != len(takes) or any(
        got not in (-1, wanted) for got, wanted in zip(network.shape, takes, strict=True)
    ):
        raise WeightsError(
            f"{opening.path.name} takes {list(network.shape)}; the card {card.name} prepares "
            f"{list(takes)}."
        )

    def call(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return network(picture[None])[0].reshape(gives)

    given = network(np.zeros(takes, dtype=np.float32))[0].shape
    if np.prod(given) != np.prod(gives):
        raise WeightsError(
            f"{opening.path.name} gives {list(given)}; of the card {card.name} {list(gives)} is "
            "expected."
        )
    return call


def _blazepose(
    opening: Opening, card: ModelCard, open_network: Open, backend: str, runtime: str
) -> PoseModel:
    from vidlab.models.loading import download_model  # which opens models by this module

    detector_path = download_model(card.detector)
    detector = open_network(detector_path, opening.num_threads)
    landmarks = open_network(opening.path, opening.num_threads)
    for network, size, path in (
        (detector, DETECTOR_PX, detector_path), (landmarks, LANDMARKS_PX, opening.path),
    ):  # fmt: skip
        if network.shape != (1, size, size, 3):
            raise WeightsError(
                f"{path.name} takes {list(network.shape)}; [1, {size}, {size}, 3] is expected."
            )
    return BlazePose(
        _named(detector, {2254 * 12: "boxes", 2254: "scores"}),
        _named(landmarks, {195: "landmarks", 1: "presence", 64 * 64 * 39: "heat"}),
        backend=backend,
        **about_poses(opening, card, runtime),
    )


def _named(
    network: Network, names: dict[int, str]
) -> Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Return a network whose outputs go by name, which their sizes tell."""

    def call(values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return {names[each.size]: each for each in network(values) if each.size in names}

    return call
