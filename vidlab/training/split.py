"""Which clips are kept back to validate with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from vidlab.clips import Clip
from vidlab.core.console import say


def split(clips: Sequence[Clip], *, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Divide clips into those to learn from and those to validate with.

    Each label keeps about `share` of its clips back, and at least one where it has two. Clips of
    one video stay on one side, as they look alike; only where a label would then have nothing to
    validate with, or little to learn from, are clips divided one by one, which is said.

    Returns:
        Numbers of the clips to learn from, and of those to validate with, each ascending.
    """
    if share == 0.0:
        return list(range(len(clips))), []
    by_video: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        by_video[clip.video].append(index)
    groups = list(by_video.values())
    kept = _keep_back(clips, groups, share=share, seed=seed)
    if kept is None:
        say("clips of one video are on both sides of the validation split: videos are too few")
        kept = _keep_back(clips, [[index] for index in range(len(clips))], share=share, seed=seed)
    validation = sorted(kept or ())
    training = sorted(set(range(len(clips))) - set(validation))
    return training, validation


def _keep_back(
    clips: Sequence[Clip], groups: list[list[int]], *, share: float, seed: int
) -> set[int] | None:
    """Return the clips to keep back; None where groups are too coarse for that."""
    labels = Counter(label for clip in clips for label in set(clip.labels))
    wanted = {
        label: max(1, round(share * number)) if number > 1 else 0
        for label, number in labels.items()
    }
    least = {label: max(1, (number - wanted[label]) // 2) for label, number in labels.items()}
    left = dict(labels)
    kept: set[int] = set()
    of_label: Counter[str] = Counter()
    order = np.random.default_rng([seed, 0x5917]).permutation(len(groups))
    # Rare labels first: they have the fewest groups to choose from.
    for label in sorted(labels, key=lambda each: (labels[each], each)):
        for number in order:
            group = groups[number]
            held = Counter(each for index in group for each in set(clips[index].labels))
            if of_label[label] >= wanted[label]:
                break
            if label not in held or group[0] in kept:
                continue
            # A video with most of a label's clips is one to learn from.
            if any(left[each] - num < least[each] for each, num in held.items()):
                continue
            kept.update(group)
            of_label.update(held)
            for each, num in held.items():
                left[each] -= num
    is_fine = all(of_label[label] > 0 for label, number in labels.items() if number > 1)
    return kept if is_fine or len(groups) == len(clips) else None
