"""daart: semi-supervised segmentation of behaviour, frame by frame (Whiteway et al. 2021)."""
