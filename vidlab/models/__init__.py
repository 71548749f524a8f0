"""Models: one protocol, cards as data, one adapter per runtime."""

from __future__ import annotations

from vidlab.models.base import LoadedModel, Model
from vidlab.models.baseline import single_frames
from vidlab.models.card import ModelCard
from vidlab.models.choosing import time_models
from vidlab.models.loading import default_model, list_models, load_model
from vidlab.models.pose.base import PoseModel

__all__ = [
    "LoadedModel",
    "Model",
    "ModelCard",
    "PoseModel",
    "default_model",
    "list_models",
    "load_model",
    "single_frames",
    "time_models",
]
