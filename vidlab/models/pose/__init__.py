"""Models that find people's keypoints in frames."""
