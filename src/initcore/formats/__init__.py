"""The files that parameters are stored in: how they are laid out, and how they are read."""
