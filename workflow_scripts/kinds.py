"""The canonical data kinds. Imported while the graph is built, so nothing heavy may be imported here."""

FILES = {"tracks": "tracks.h5", "images": "images.h5", "clips": "clips/index.h5"}
"""The file below `data/<dataset>/` that stands for a whole dataset of each kind: what splits, training, embedding and
prediction read."""
