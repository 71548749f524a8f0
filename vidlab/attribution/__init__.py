"""Why a model says what it says: which seconds, which places, and what mere sampling does to it.

::

    from vidlab import attribution

    when = attribution.temporal_occlusion(video, model)       # TemporalOcclusion
    when.table                                                # one row a window, rank 1 decides
    vl.Player(video, curves=when.curve())

    where = attribution.spatial_occlusion(video, model, at_seconds=2.0)   # Heatmap
    where.overlay(video.frame_at_time(2.0).rgb)               # uint8 RGB, for any picture viewer
    maps = attribution.grad_cam(video, model)                 # one Heatmap a sampled frame
    vl.Player(video, heatmaps=maps, overlay="heat")

    lab = attribution.sampling_lab(video, model)              # other rates, strides, crops …
    lab.flips                                                 # settings with another answer
    vl.SamplingView(lab)                                      # the same, with sliders

Occlusion asks any model, whatever its runtime: it hides something and looks at what changes.
Grad-CAM needs gradients, and so a network in PyTorch. What is judged is the model's answer to the
whole video: a stream model's after the last frame, the mean over all clips or frames of others, as
`vidlab.evaluate` does.

All of them keep the prepared frames in memory: of pictures of 172x172 px, 0.36 MB a sampled frame.
"""

from __future__ import annotations

from vidlab.attribution.filling import Fill
from vidlab.attribution.gradcam import grad_cam
from vidlab.attribution.heatmap import Heatmap
from vidlab.attribution.sampling_lab import CROPS, SamplingLab, Setting, sampling_lab
from vidlab.attribution.spatial import spatial_occlusion
from vidlab.attribution.temporal import TemporalOcclusion, temporal_occlusion

__all__ = [
    "CROPS",
    "Fill",
    "Heatmap",
    "SamplingLab",
    "Setting",
    "TemporalOcclusion",
    "grad_cam",
    "sampling_lab",
    "spatial_occlusion",
    "temporal_occlusion",
]
