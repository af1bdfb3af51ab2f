"""BAMS: histograms of future actions and two time scales of latents, for any keypoints (Azabou et al. 2023)."""
