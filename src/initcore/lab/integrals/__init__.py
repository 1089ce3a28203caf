"""Integrals over the normal distribution: expectations of functions that may have kinks and jumps."""
