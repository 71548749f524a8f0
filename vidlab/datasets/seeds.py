"""Random numbers: the same for a seed on every machine, apart for each purpose."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What random numbers of a seed are for; one more draw for one leaves the others alone."""

    PERSON = 1
    CAMERA = 2
    PLACE = 3
    EFFECTS = 4
    REST = 5
    PROGRAM = 6
    ACTIONS = 7


def generator(seed: int, purpose: Purpose, part: int = 0) -> np.random.Generator:
    """Return the random numbers of a seed for one purpose."""
    return np.random.Generator(np.random.PCG64((int(seed), int(purpose), part)))
