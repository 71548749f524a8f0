"""A MoViNet as a LiteRT file, in float32 or with 8-bit integers inside.

The signature of a stream model takes one frame, ``image`` float32 ``[1, 1, H, W, 3]``, and the
states, and gives ``logits`` and the states of the same names; zeros start a video. That of a
base model takes a clip of any length, ``[1, T, H, W, 3]``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import ExportError
from vidlab.models.export.plan import Folded
from vidlab.models.export.tensorflow import Weights, graph, input_specs, quietly, run, tf


def litert_bytes(
    plan: Folded,
    *,
    height_px: int,
    width_px: int,
    calibration: Iterable[NDArray[np.float32]] | None = None,
) -> bytes:
    """Return the content of a LiteRT file.

    Args:
        plan: The network.
        height_px: Of its pictures.
        width_px: Of its pictures.
        calibration: Clips float32 ``[T, H, W, 3]``, each of a video, for 8-bit integers inside:
            weights get a scale a channel, activations the range they have on these clips,
            states included. Pictures, logits and states stay float32, and so do the sums over
            frames and what is left of them after the division. None keeps everything in float32.

    Raises:
        ExportError: TensorFlow's converter failed.
    """
    weights = Weights(plan)
    num_frames = 1 if plan.config.causal else None
    specs = input_specs(
        plan.config, batch=1, num_frames=num_frames, height_px=height_px, width_px=width_px
    )

    def network(**inputs: Any) -> dict[str, Any]:
        return run(plan, weights, inputs, for_int8=calibration is not None)

    concrete = graph(network).get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], weights.module)
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _samples(concrete, specs, calibration)
    try:
        with warnings.catch_warnings(), quietly():
            warnings.simplefilter("ignore")  # the converter uses what TensorFlow will drop
            content: bytes = converter.convert()
    except Exception as error:  # ConverterError, ValueError, RuntimeError of its C++ parts
        raise ExportError(f"TensorFlow's LiteRT converter failed: {error}") from error
    return content


def _samples(
    concrete: Any, specs: dict[str, Any], clips: Iterable[NDArray[np.float32]]
) -> Iterator[dict[str, Any]]:
    """Yield inputs as they come when videos are played from the start, one after the other."""
    for clip in clips:
        if len(specs) == 1:
            yield {"image": clip[None]}
            continue
        states = {
            name: np.zeros(spec.shape, spec.dtype.as_numpy_dtype)
            for name, spec in specs.items()
            if name != "image"
        }
        for frame in clip:
            inputs = {"image": frame[None, None], **states}
            yield inputs
            outputs = concrete(**{name: tf.constant(value) for name, value in inputs.items()})
            states = {name: outputs[name].numpy() for name in states}
