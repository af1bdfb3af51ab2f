"""Motifs and prototypes: hidden Markov models on any method's embeddings."""
