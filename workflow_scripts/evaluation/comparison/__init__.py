"""Methods beside each other: one table, tests and ranks."""
