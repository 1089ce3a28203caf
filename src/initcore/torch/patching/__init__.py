"""``patch()``: what it exchanges, where, and who drew what meanwhile."""
