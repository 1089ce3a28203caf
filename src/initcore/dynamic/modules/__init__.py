"""Over modules of torch, which only these files import."""
