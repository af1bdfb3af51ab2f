"""DeepEthogram's `<video>_labels.csv`: one-hot, the first class `background`, -1 where nobody labelled."""

from workflow_scripts.sources.shared.frame_table import Options, read_labels

__all__ = ["Options", "read_labels"]
