"""Metrics of frames, bouts, keypoints and detections, and ceilings of window classifiers."""
