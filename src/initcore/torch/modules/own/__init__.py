"""A model's own code that initialises it: found, tried without writing, run under the names of its tensors."""
