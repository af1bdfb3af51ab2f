"""The canonical files. The only code that knows an HDF5 path or attribute."""
