"""The analytic lower bound, under the name that its users look for; see ``timing.bound``."""

from .timing.bound import Bound, bound_program, lower_bound

__all__ = ["Bound", "bound_program", "lower_bound"]
