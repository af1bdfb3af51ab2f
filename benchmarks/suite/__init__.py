"""One benchmark for each hot path, side by side with the plain alternative and the machine's limit."""
