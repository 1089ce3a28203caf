"""Several initializers and activations side by side, as a table, a picture or a page."""
