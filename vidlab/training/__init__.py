"""Training: teach a model the labels of your own clips.

    result = vl.fit("movinet-a0-stream", "my clips")     # a folder with a folder for each label
    vl.predict("another.mp4", result.model)

Torch is imported when :func:`fit` is called.
"""

from vidlab.training.fitting import fit
from vidlab.training.result import FitResult

__all__ = ["FitResult", "fit"]
