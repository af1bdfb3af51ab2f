"""Probes, chance, metrics, intervals, splits and the leak audit: one evaluation for every method."""
