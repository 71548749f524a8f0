"""Varied views of a clip: the same random change on all of its frames."""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError
from vidlab.transforms import Preprocessing

# What a mirror turns into its opposite, as words of their own in English, anywhere in languages
# that write words together.
_SIDED = re.compile(
    r"(?<![a-z])(left|right|clockwise|counterclockwise|anticlockwise)(?![a-z])"
    r"|왼|오른|좌측|우측|좌회전|우회전|시계 ?방향|左|右",
    re.IGNORECASE,
)

# Where an object lies in memory, in its text.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Augmentation:
    """Applies a random change to clips as a model takes them.

    Args:
        change: From float32 ``[T, 3, H, W]`` in [0, 1] to the same; draws from the global random
            numbers of Python, NumPy or PyTorch.
        preprocessing: The model's, which is undone before and done again after the change.
    """

    def __init__(self, change: Callable[[Any], Any], preprocessing: Preprocessing) -> None:
        self._change = change
        to_unit = 1.0 if preprocessing.scale == 255.0 else preprocessing.scale / 255.0
        self._scale = torch.tensor(preprocessing.std) * to_unit
        self._shift = torch.tensor(preprocessing.mean) * to_unit

    def __call__(self, frames: Tensor, *seed: int) -> Tensor:
        """Change a clip.

        Args:
            frames: float32 ``[T, H, W, 3]``, prepared.
            seed: The same numbers give the same change, whatever was drawn before.

        Returns:
            float32 ``[T, H, W, 3]``.

        Raises:
            OptionError: What was to change the clip gave something else.
        """
        unit = (frames * self._scale + self._shift).permute(0, 3, 1, 2)
        with seeded(*seed):
            changed = self._change(unit)
        if not isinstance(changed, Tensor) or changed.shape != unit.shape:
            shape = list(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise OptionError(
                f"augment must return a tensor of the shape it is given, {list(unit.shape)} "
                f"(frames, RGB, rows, columns); got {shape}."
            )
        changed = changed.to(torch.float32).permute(0, 2, 3, 1)
        return (changed - self._shift) / self._scale


def default_augmentation(
    labels: Sequence[str], preprocessing: Preprocessing
) -> Callable[[Any], Any]:
    """Return the usual change: another crop, other light, and a mirror where labels allow it."""
    v2 = require("torchvision.transforms.v2", why="augmentation")
    size = (preprocessing.height_px, preprocessing.width_px)
    changes = [
        v2.RandomResizedCrop(size, scale=(0.6, 1.0), ratio=(0.85, 1.18), antialias=True),
        v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3),
    ]
    sided = [label for label in labels if _SIDED.search(unicodedata.normalize("NFC", label))]
    if sided:
        say(f"clips are not mirrored in training, because of labels such as {sided[0]!r}")
    else:
        changes.append(v2.RandomHorizontalFlip())
    return v2.Compose(changes)  # type: ignore[no-any-return]


def describe(augment: object) -> str:
    """Return what tells one `augment=` from another, the same in every process."""
    if not isinstance(augment, FunctionType):
        return _ADDRESS.sub("", repr(augment))
    # The text of a function is not at hand everywhere; what it was compiled to is. Of what it holds
    # only what stays as it is counts: a list may be there to count calls.
    held = [cell.cell_contents for cell in augment.__closure__ or ()]
    held = [each for each in held if isinstance(each, (int, float, str))]
    given = (augment.__defaults__, augment.__kwdefaults__)
    about = _ADDRESS.sub("", f"{_compiled(augment.__code__)} {held} {given}")
    return f"{augment.__qualname__} {hashlib.sha256(about.encode()).hexdigest()[:16]}"


def _compiled(code: CodeType) -> str:
    # Code within code shows where it lies in memory, and the order of a set changes.
    constants = [
        _compiled(each)
        if isinstance(each, CodeType)
        else sorted(map(repr, each))
        if isinstance(each, frozenset)
        else each
        for each in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Draw the same random numbers every time; those outside go on as if nothing was drawn."""
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    number = seed_of(*seed)
    random.seed(number)
    np.random.seed(number & 0xFFFFFFFF)
    torch.default_generator.manual_seed(number)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)


def seed_of(*seed: int) -> int:
    """Return one number below 2**63 from several."""
    high, low = np.random.SeedSequence(seed).generate_state(2).tolist()
    return int(high) << 31 | int(low) >> 1
