"""Small tables for the report, cut out of large files."""
