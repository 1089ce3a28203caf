"""Which part of a parameter a plain local tensor is: as a caller says it, or as another package has cut it."""
