"""Control: how much the pixels of a crop video change, and nothing else."""
