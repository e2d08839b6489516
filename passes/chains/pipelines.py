"""Ready-made pipelines for chains of small products, which are scheduled as loops."""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import ModuleOp, StringAttr

from ..kernel import TARGET, kernel_of
from ..lower_products import LowerProductsPass, choices_of_products
from .products import Assign, Node
from .read import read_products

CLEAN_UP = "canonicalize,cse,licm,gemmini-scale-loops"


def as_product_kernel(loops: ModuleOp, config: str) -> ModuleOp:
    """A copy of a kernel of loop IR that names its target, for ``gemmini-lower-products``.

    Raises ``PassFailedException`` where the kernel is not made of small products.
    """
    kernel = loops.clone()
    read_products(kernel_of(kernel))
    kernel_of(kernel).attributes[TARGET] = StringAttr(config)
    return kernel


def product_baseline(config: str) -> str:
    """The untuned lowering: every tile loaded where it is used, a fence after every result."""
    return f"{LowerProductsPass(config).spec()},{CLEAN_UP}"


def product_pipelines(config: str) -> list[str]:
    """Schedules for a chain of products, best guess first, the untuned one last."""
    choices = [LowerProductsPass(config, *choice) for choice in choices_of_products()]
    return [*(f"{choice.spec()},{CLEAN_UP}" for choice in choices), product_baseline(config)]


def product_multiplications(loops: ModuleOp) -> int:
    """Multiplications of a kernel of small products."""
    return sum(_multiplications(node) for node in read_products(kernel_of(loops)).nodes)


def _multiplications(node: Node) -> int:
    if not isinstance(node, Assign):
        return node.counter.extent * sum(_multiplications(inner) for inner in node.body)
    elements = prod(counter.extent for counter in node.loops)
    return elements * sum(
        term.k.extent if term.k is not None else len(term.factors) - 1 for term in node.terms
    )
