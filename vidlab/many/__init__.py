"""Many videos: each done once, in processes that may die, into a folder that is one dataset."""

from __future__ import annotations

from vidlab.many.predicting import predict_many
from vidlab.many.run import Run, open_run

__all__ = ["Run", "open_run", "predict_many"]
