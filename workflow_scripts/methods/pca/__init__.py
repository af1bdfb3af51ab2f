"""Control: principal components of short windows of coordinates."""
