"""The net that is a stack of callables over NumPy."""
