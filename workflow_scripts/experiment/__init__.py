"""An experiment: its schema, its runs, generated files, kinds of figures."""
