"""Dataset cards: files, licence, tasks, splits and published numbers."""
