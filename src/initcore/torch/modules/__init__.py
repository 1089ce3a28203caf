"""Whole models: their own rules, their names, and what is refused."""
