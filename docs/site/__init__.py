"""What builds the documentation site and the tables of the README from the code."""
