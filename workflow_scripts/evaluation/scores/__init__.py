"""Scores, intervals and chance rows of one run."""
