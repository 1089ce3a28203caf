"""The kernels of NVIDIA devices (experimental): their compiler, the driver, and the trial that a device must pass.

Nothing here imports a framework, and ``import initcore`` imports nothing of this. :mod:`initcore.torch` uses it.
"""
