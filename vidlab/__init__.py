"""Look into videos with video models, frame by frame, in Jupyter.

A video goes one way, from file to chart::

    import vidlab as vl

    video = vl.Video("clip.mp4")
    model = vl.load_model("movinet-a0-stream", backend="torch")
    preds = vl.predict(video, model)      # Predictions
    preds.table                           # tidy DataFrame, one row per frame and rank
    vl.Player(video, preds)               # plays, with what the model thought beside it

    both = vl.compare(video, [model, vl.load_model("movinet-a0-stream", backend="litert")])
    both.disagreements()                  # the moments where they part
    vl.evaluate([model, other], "clips/") # on labelled clips: accuracy with intervals, and more

Importing vidlab is quick: torch, tensorflow and matplotlib are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidlab import attribution as attribution
    from vidlab import datasets as datasets
    from vidlab import live as live
    from vidlab import metrics as metrics
    from vidlab import pose as pose
    from vidlab import sharing as sharing
    from vidlab.clip_dataset import ClipDataset as ClipDataset
    from vidlab.clip_dataset import ClipStream as ClipStream
    from vidlab.comparison import Comparison as Comparison
    from vidlab.comparison import compare as compare
    from vidlab.core.errors import VidlabError as VidlabError
    from vidlab.core.label_bridge import LabelBridge as LabelBridge
    from vidlab.core.label_names import translate_labels as translate_labels
    from vidlab.core.labels import LabelMap as LabelMap
    from vidlab.core.limits import limits as limits
    from vidlab.datasets import sample_videos as sample_videos
    from vidlab.drifting import Drift as Drift
    from vidlab.drifting import drift as drift
    from vidlab.evaluation import Evaluation as Evaluation
    from vidlab.evaluation import Study as Study
    from vidlab.evaluation import evaluate as evaluate
    from vidlab.explaining import explain_preprocessing as explain_preprocessing
    from vidlab.exporting import export as export
    from vidlab.inference import predict as predict
    from vidlab.inference import stream as stream
    from vidlab.live.recording import Recording as Recording
    from vidlab.live.recording import replay as replay
    from vidlab.many import Run as Run
    from vidlab.many import open_run as open_run
    from vidlab.many import predict_many as predict_many
    from vidlab.models import ModelCard as ModelCard
    from vidlab.models import default_model as default_model
    from vidlab.models import list_models as list_models
    from vidlab.models import load_model as load_model
    from vidlab.models import single_frames as single_frames
    from vidlab.models import time_models as time_models
    from vidlab.predictions import Predictions as Predictions
    from vidlab.recipes import list_recipes as list_recipes
    from vidlab.rules import Rule as Rule
    from vidlab.rules import find_events as find_events
    from vidlab.training import FitResult as FitResult
    from vidlab.training import fit as fit
    from vidlab.transforms import Preprocessing as Preprocessing
    from vidlab.video import Video as Video
    from vidlab.widgets import Annotator as Annotator
    from vidlab.widgets import Explorer as Explorer
    from vidlab.widgets import Gallery as Gallery
    from vidlab.widgets import Live as Live
    from vidlab.widgets import Player as Player
    from vidlab.widgets import PlayerGrid as PlayerGrid
    from vidlab.widgets import Quiz as Quiz
    from vidlab.widgets import SamplingView as SamplingView
    from vidlab.widgets import quiz as quiz

__version__ = "0.1.0"

# Where each public name lives; resolved on first use (PEP 562).
_HOME_OF = {
    "Annotator": "vidlab.widgets",
    "ClipDataset": "vidlab.clip_dataset",
    "ClipStream": "vidlab.clip_dataset",
    "Comparison": "vidlab.comparison",
    "Drift": "vidlab.drifting",
    "Evaluation": "vidlab.evaluation",
    "Explorer": "vidlab.widgets",
    "FitResult": "vidlab.training",
    "Gallery": "vidlab.widgets",
    "LabelBridge": "vidlab.core.label_bridge",
    "LabelMap": "vidlab.core.labels",
    "Live": "vidlab.widgets",
    "ModelCard": "vidlab.models",
    "Player": "vidlab.widgets",
    "PlayerGrid": "vidlab.widgets",
    "Predictions": "vidlab.predictions",
    "Preprocessing": "vidlab.transforms",
    "Quiz": "vidlab.widgets",
    "Recording": "vidlab.live.recording",
    "Rule": "vidlab.rules",
    "Run": "vidlab.many",
    "SamplingView": "vidlab.widgets",
    "Study": "vidlab.evaluation",
    "VidlabError": "vidlab.core.errors",
    "Video": "vidlab.video",
    "compare": "vidlab.comparison",
    "default_model": "vidlab.models",
    "drift": "vidlab.drifting",
    "evaluate": "vidlab.evaluation",
    "explain_preprocessing": "vidlab.explaining",
    "export": "vidlab.exporting",
    "find_events": "vidlab.rules",
    "fit": "vidlab.training",
    "limits": "vidlab.core.limits",
    "list_models": "vidlab.models",
    "list_recipes": "vidlab.recipes",
    "load_model": "vidlab.models",
    "open_run": "vidlab.many",
    "predict": "vidlab.inference",
    "predict_many": "vidlab.many",
    "quiz": "vidlab.widgets",
    "replay": "vidlab.live.recording",
    "sample_videos": "vidlab.datasets",
    "single_frames": "vidlab.models",
    "stream": "vidlab.inference",
    "time_models": "vidlab.models",
    "translate_labels": "vidlab.core.label_names",
}

# Parts of vidlab that are used by their own name, as vidlab.datasets.
_MODULES = ("attribution", "datasets", "live", "metrics", "pose", "sharing")

__all__ = sorted([*_HOME_OF, *_MODULES])


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"vidlab.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'vidlab' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
