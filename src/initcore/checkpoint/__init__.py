"""Checkpoints of whole models, written straight into their files."""
