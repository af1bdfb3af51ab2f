"""Figures, tables and the HTML report: data in, Figure or page out; nothing here reads a run's folder but `collect`."""
