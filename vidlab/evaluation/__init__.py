"""Models on labelled clips: how often each is right, and whether a difference means anything."""

from __future__ import annotations

from vidlab.evaluation.result import Cost, Evaluation
from vidlab.evaluation.running import evaluate
from vidlab.evaluation.study import Study

__all__ = ["Cost", "Evaluation", "Study", "evaluate"]
