"""Models: one protocol, cards as data, one adapter per runtime."""

from __future__ import annotations

from vidlab.models.base import Model
from vidlab.models.card import ModelCard
from vidlab.models.choosing import time_models
from vidlab.models.loading import default_model, list_models, load_model

__all__ = ["Model", "ModelCard", "default_model", "list_models", "load_model", "time_models"]
