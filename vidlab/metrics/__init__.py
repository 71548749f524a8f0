"""Numbers to judge models by, and what they are worth: arrays and tables in, numbers out.

::

    from vidlab import metrics

    metrics.top_k_accuracy(probabilities, truth, k=5)
    metrics.reliability(probabilities, truth).ece
    metrics.temporal_map(true_segments, found_segments).mean
    metrics.time_to_stable(time_seconds, label_ids)
    metrics.cluster_bootstrap(metrics.mean_of(right_a), videos)      # 0.72 [0.64, 0.79]
"""

from __future__ import annotations

from vidlab.metrics.calibration import (
    Reliability,
    brier_scores,
    calibration_error_of,
    expected_calibration_error,
    negative_log_likelihoods,
    reliability,
)
from vidlab.metrics.classification import (
    PerClass,
    balanced_accuracy,
    confusion_matrix,
    per_class,
    rank_of_truth,
    top_k_accuracy,
)
from vidlab.metrics.dynamics import agreement, flicker_rate, time_to_stable
from vidlab.metrics.segments import (
    ACTIVITYNET_IOU,
    SegmentMatches,
    TemporalMap,
    match_segments,
    segments_of,
    temporal_map,
)
from vidlab.metrics.significance import (
    Interval,
    McNemar,
    cluster_bootstrap,
    holm,
    mcnemar,
    mcnemar_pairs,
)
from vidlab.metrics.statistic import OfSums, Statistic, by_second, difference, mean_of

__all__ = [
    "ACTIVITYNET_IOU",
    "Interval",
    "McNemar",
    "OfSums",
    "PerClass",
    "Reliability",
    "SegmentMatches",
    "Statistic",
    "TemporalMap",
    "agreement",
    "balanced_accuracy",
    "brier_scores",
    "by_second",
    "calibration_error_of",
    "cluster_bootstrap",
    "confusion_matrix",
    "difference",
    "expected_calibration_error",
    "flicker_rate",
    "holm",
    "match_segments",
    "mcnemar",
    "mcnemar_pairs",
    "mean_of",
    "negative_log_likelihoods",
    "per_class",
    "rank_of_truth",
    "reliability",
    "segments_of",
    "temporal_map",
    "time_to_stable",
    "top_k_accuracy",
]
