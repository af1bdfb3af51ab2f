"""Control: the coordinates of a single frame, as they are but for scale."""
