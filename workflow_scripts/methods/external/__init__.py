"""Embeddings made elsewhere, by anybody's encoder: arrays by recording enter the same table."""
