"""Geometry of tracks, roles of body parts, and named quantities."""
