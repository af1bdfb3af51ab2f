"""What several test files share: small data, servers, programs and runs.

A package, as one module would pass 400 lines; a module of it holds one kind of thing, whichever room uses it. It is
importable from every test file through `pythonpath` in pyproject.toml (`from builders.tracks import walkers`); test
files never import one another.
"""
