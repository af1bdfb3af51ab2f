"""Linear readouts fitted on frozen embeddings."""
