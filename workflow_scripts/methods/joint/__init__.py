"""Embeddings of several methods side by side; its rows are named under the key `joint`."""
