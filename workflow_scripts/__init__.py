"""EthoMake: the Python package behind the workflow's rules."""

__version__ = "0.1.0"
