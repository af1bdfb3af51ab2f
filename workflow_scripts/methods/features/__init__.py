"""Named hand features: how each animal moves, how it is bent, and where the animals are relative to one another."""
