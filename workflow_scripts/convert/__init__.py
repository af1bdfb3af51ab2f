"""What makes data/<dataset>/: tracks, images, clips, splits, the leak audit and quality tables."""
