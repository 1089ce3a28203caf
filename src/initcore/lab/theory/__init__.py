"""Mean-field theory of wide layers."""

from initcore.lab.theory.moments import covariance, mean, moment, slope_moment
from initcore.lab.theory.recursion import MeanField, Step, recursion

__all__ = ["MeanField", "Step", "covariance", "mean", "moment", "recursion", "slope_moment"]
