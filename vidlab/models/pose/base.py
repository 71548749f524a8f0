"""What every model of people's keypoints offers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.skeletons import Skeleton
from vidlab.models.base import LoadedModel, Provenance
from vidlab.models.card import ModelCard


class PoseModel(LoadedModel):
    """A model that answers with people's keypoints.

    Attributes:
        skeleton: The keypoints that it finds.
        max_people: How many people it finds in a frame at most; 1 for the best one only.
        least_confidence: Mean confidence of a person's keypoints, or the score of the person where
            the model gives one, below which nobody is there.
    """

    max_people: int = 1

    def __init__(
        self,
        *,
        card: ModelCard,
        variant: str,
        skeleton: Skeleton,
        provenance: Provenance,
        num_threads: int,
        least_confidence: float,
    ) -> None:
        super().__init__(card=card, variant=variant, provenance=provenance, num_threads=num_threads)
        self.skeleton = skeleton
        self.least_confidence = least_confidence

    @property
    def people(self) -> str:
        """Whom it finds in a frame, in words."""
        return (
            "the best person only" if self.max_people == 1 else f"at most {self.max_people} people"
        )

    @abstractmethod
    def init_state(self) -> Any:
        """Return what is known before the first frame of a video: nothing."""

    @abstractmethod
    def step(self, rgb: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        """Find people in the next frame of a video.

        Args:
            rgb: The frame, uint8 ``[H, W, 3]``, upright as it is shown.
            state: What the last call returned, or :meth:`init_state`; it is not changed.

        Returns:
            People, float32 ``[P, K, 3]``: x and y in px of the frame, where the first pixel reaches
            from 0 to 1, and confidence 0 to 1; and the state for the next frame.
        """

    def __repr__(self) -> str:
        return (
            f"<{self.title}: {self.skeleton.name}, {self.people}, {self.provenance.runtime}, from "
            f"{self.provenance.weights_file}>"
        )
