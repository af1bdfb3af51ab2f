"""Points and directions of a rat's body in single frames."""
