"""What models of a study said while a clip went by, put on the frames of a video: for players.

An evaluation keeps the most probable label of each answer, and its probability. That is enough for
bands of a player and for where models name different labels, but not for their divergence.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab.comparison import Comparison
from vidlab.predictions import Predictions
from vidlab.video import Video

if TYPE_CHECKING:
    from vidlab.evaluation import Evaluation, Study


class OnTheWay(Comparison):
    """Answers of several models to a clip, of which only the top labels are known.

    The rest of each probability is spread evenly over the other labels.
    """

    @property
    def divergence(self) -> NDArray[np.float32]:
        """NaN, float32 ``[N]``: it takes whole distributions."""
        return np.full(len(self), np.nan, dtype=np.float32)

    @property
    def parting(self) -> int | None:
        """The first frame on which two models name different labels and are surest of them.

        As sure as the less sure of the two is; None where they never part.
        """
        table = self.table
        sure = np.zeros(len(self))
        for one, other in combinations(self.names, 2):
            least = table[[f"probability_{one}", f"probability_{other}"]].min(axis=1)
            parts = table[f"label_{one}"] != table[f"label_{other}"]
            sure = np.maximum(sure, np.where(parts, least, 0.0))
        return int(self.frame_index[sure.argmax()]) if sure.any() else None


def answers_on_the_way(
    study: Study, clip: int, video: Video, *, start_seconds: float
) -> OnTheWay | None:
    """Return what each model of a study answered while a clip went by.

    Args:
        study: Of any number of models.
        clip: Its number, as in the column ``clip`` of `Study.clips`.
        video: The clip's video, or a part of it.
        start_seconds: When the clip starts, on the clock of `video`.

    Returns:
        None where only the clips' ends are known, or of one model alone, whose curves in a player
        would need more than the top labels.
    """
    evaluations = study.evaluations
    if len(evaluations) < 2 or any(each.answers is None for each in evaluations.values()):
        return None
    found = [
        _predictions(name, each, clip, video, start_seconds) for name, each in evaluations.items()
    ]
    return OnTheWay(found, video=video, names=study.names)


def _predictions(
    name: str, evaluation: Evaluation, clip: int, video: Video, start_seconds: float
) -> Predictions:
    answers = evaluation.answers
    assert answers is not None
    table = answers[answers["clip"] == clip]
    elapsed = table["elapsed_seconds"].to_numpy()
    frames = np.array([video.index_at_time(start_seconds + each) for each in elapsed], np.int64)
    # Of answers closer to one another than frames are, the last one is seen.
    is_seen = np.diff(frames, append=video.num_frames) > 0
    table, frames = table[is_seen], frames[is_seen]
    size = len(evaluation.labels)
    top = table["probability"].to_numpy(dtype=np.float64)
    probabilities = np.repeat((1.0 - top)[:, None] / max(size - 1, 1), size, axis=1)
    probabilities[np.arange(len(table)), table["class_id"].to_numpy()] = top
    # A model of whole pieces answers when the first has gone by, and each time of what went by.
    is_of_pieces = len(elapsed) > 0 and elapsed[0] > 0
    starts = np.append(video.index_at_time(start_seconds), frames[:-1] + 1)
    found = Predictions(
        video=video.name,
        model=name,
        backend="",
        title=evaluation.title,
        labels=evaluation.labels,
        frame_index=frames,
        time_seconds=video.pts_seconds[frames],
        logits=np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float32),
        clip_start=starts if is_of_pieces else None,
    )
    found.selection = found.selection.updated(max_results=1)
    return found
