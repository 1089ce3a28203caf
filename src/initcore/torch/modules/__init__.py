"""Initialise whole models of torch: by their own code or by a plan, each parameter under its name."""
