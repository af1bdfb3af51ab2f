"""Named hand features: how each animal moves, how it is bent, and how the animals stand to one another."""
