"""What a model may see of a dataset: tracks, images, clips."""
