"""An original daart project: its three YAML files, its grid, its model directory."""
