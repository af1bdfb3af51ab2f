"""One training loop for all methods, and the views of data it is fed with."""
