"""Reading and writing video: what a file holds, its upright frames, square crops, and the path of the camera."""
