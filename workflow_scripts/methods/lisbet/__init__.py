"""LISBET: self-supervised transformers on windows of several animals' tracks; motifs, prototypes and classifiers."""
