"""Whether arrays are what a plan says."""
