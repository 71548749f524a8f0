"""People's keypoints in videos: found, numbered, smoothed, measured.

poses = vl.predict("clip.mp4", vl.load_model("movenet-lightning"))      # Poses
poses.table                                    # one row per frame, person and keypoint
vl.pose.features(vl.pose.smoothed(poses))      # angles, speeds, distances
vl.pose.count_repetitions(poses, "squat")
"""

from vidlab.core.skeletons import BLAZEPOSE_33, COCO_17, MPII_16, Skeleton, skeleton_named
from vidlab.pose.coco import annotations_for, from_coco, results_for, to_coco, write_coco
from vidlab.pose.distances import distances
from vidlab.pose.measures import ANGLES, angle_deg, features
from vidlab.pose.metrics import KeypointScores, average_precision, correct_keypoints
from vidlab.pose.poses import Poses, from_keypoints
from vidlab.pose.repetitions import Repetitions, count_cycles, count_repetitions
from vidlab.pose.smoothing import smoothed
from vidlab.pose.tracking import Tracker, similarity

__all__ = [
    "ANGLES",
    "BLAZEPOSE_33",
    "COCO_17",
    "MPII_16",
    "KeypointScores",
    "Poses",
    "Repetitions",
    "Skeleton",
    "Tracker",
    "angle_deg",
    "annotations_for",
    "average_precision",
    "correct_keypoints",
    "count_cycles",
    "count_repetitions",
    "distances",
    "features",
    "from_coco",
    "from_keypoints",
    "results_for",
    "similarity",
    "skeleton_named",
    "smoothed",
    "to_coco",
    "write_coco",
]
