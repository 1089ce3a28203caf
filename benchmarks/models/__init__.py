"""Real models of other packages: how much of them ``initcore.torch.patch()`` draws, and how fast."""
