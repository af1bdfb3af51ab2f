"""What the rules import: code digests, resources, environment, recovery after a kill."""
