"""How ``patch()`` replaces the functions and kernels of torch, and counts what initcore and torch draw meanwhile."""
