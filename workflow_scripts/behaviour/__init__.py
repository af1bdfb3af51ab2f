"""What a lab reads: bouts, and files for other programs."""
