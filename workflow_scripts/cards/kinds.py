"""The canonical data kinds. Imported while the graph is built, so nothing heavy may be imported here."""

FILES = {"tracks": "tracks.h5", "images": "images.h5", "clips": "clips/index.h5"}
"""The file below `data/<dataset>/` that stands for a whole dataset of each kind: what splits, training, embedding and
prediction read."""

DETECTORS = {"background": False, "boxes_file": False, "from_tracks": False, "rtdetrv2": True}
"""Ways to find an animal in a video (`workflow_scripts/detectors`) → whether it is a neural network, which asks for a
GPU where there is one."""

LOOKUPS = {"boxes_file", "from_tracks"}
"""Those that look boxes up in a file that belongs to one video."""
