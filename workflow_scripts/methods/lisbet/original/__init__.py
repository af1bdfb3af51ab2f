"""Files of the published LISBET program: models, history, annotations."""
