"""Names and shapes of models: from files, configurations and modules."""
