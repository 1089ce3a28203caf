"""A stack of layers, a batch that is sent through it, and what is measured of every layer."""
