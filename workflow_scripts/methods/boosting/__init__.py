"""Boosted trees on hand features and their windows: what many labs would use instead of a network."""
