"""The sample videos that come with vidlab."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pandas as pd

from vidlab.core.errors import VideoNotFoundError, did_you_mean

_TABLE = "segments.csv"
_KEYPOINTS = "keypoints.json"


class SampleVideos(dict[str, Path]):
    """Paths of the sample videos by name.

    Attributes:
        folder: Where they are.
        segments: What happens when: ``video, start_seconds, end_seconds, label``.
        keypoints: A file with everybody's exact keypoints and box on every frame, in COCO's form;
            ``vl.pose.from_coco(sample_videos().keypoints, video="squat.mp4")``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keypoints = folder / _KEYPOINTS
        self.segments = pd.read_csv(folder / _TABLE)
        names = [str(name) for name in self.segments["video"].unique()]
        super().__init__((Path(name).stem, folder / name) for name in names)

    def __missing__(self, name: object) -> Path:
        """Refuse a name that no sample video has.

        Raises:
            VideoNotFoundError: Always.
        """
        raise VideoNotFoundError(
            f"No sample video is called {name!r}; there is {', '.join(self)}."
            + did_you_mean(str(name), self)
        )

    def __repr__(self) -> str:
        width = max(len(name) for name in self)
        labels = self.segments.groupby("video", sort=False)["label"].agg(", ".join)
        lines = [f"  {name:{width}}  {labels[path.name]}" for name, path in self.items()]
        return "\n".join([f"{len(self)} sample videos in {self.folder}", *lines])


def sample_videos() -> SampleVideos:
    """Return the videos that come with vidlab: ``vl.Video(vl.sample_videos()["workout"])``.

    They are StickActions: clips of one action, and two sequences of several. What happens when is
    in ``sample_videos().segments``, and where their joints are in ``sample_videos().keypoints``.

    Raises:
        VideoNotFoundError: This installation came without them.
    """
    package = Path(str(resources.files("vidlab")))
    # In the wheel they lie inside the package, in a checkout beside it.
    places = package / "data", package.parent / "data"
    for folder in places:
        if (folder / _TABLE).is_file():
            return SampleVideos(folder)
    raise VideoNotFoundError(
        f"This installation of vidlab has no sample videos in {places[0]} or {places[1]}; "
        "install it again from a wheel, or from a checkout with its folder data."
    )
