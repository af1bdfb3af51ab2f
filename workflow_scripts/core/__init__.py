"""Errors, files, names, validation: nothing here knows what the data are."""
