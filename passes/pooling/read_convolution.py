"""Read a kernel that is a convolution, pooled or not, from tensor IR."""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerType, TensorType
from xdsl.dialects.linalg.ops import GenericOp

from ..coalesce import Form
from ..contraction import is_element_wise, maps_of, output_position, returned_tensor, subscript_form
from ..kernel import refusal
from ..post_op import recognise_post_op
from .facts import Pooling, Side
from .forms import extents_of
from .read import is_maximum, read_pooling
from .read_sums import read_sums

LARGEST_SUM = 1 << 31


def read_convolution(function: func.FuncOp) -> Pooling:
    """The convolution that ``function`` computes; windows of one pixel are no pooling.

    Refuses functions without a convolution, and those that keep sums in full width.
    """
    if is_maximum(function):
        pooling = read_pooling(function)
        if pooling.convolution is None:
            raise refusal(function, "takes a maximum without a convolution below it")
        return pooling
    post = returned_tensor(function).owner
    if not isinstance(post, GenericOp) or not is_element_wise(post):
        raise refusal(function, "expected a convolution whose sums are stored narrow")
    type = post.results[0].type
    if not isinstance(type, TensorType) or not isinstance(type.element_type, IntegerType):
        raise refusal(post, "expected sums that are stored as integers")
    sums = post.inputs[0].owner
    if not isinstance(sums, GenericOp):
        raise refusal(post, "expected a convolution in front of it")
    reads: list[Form] = [subscript_form(x, sums) for x in maps_of(sums)[-1].results]
    found = read_sums(sums, reads)
    if list(found.forms) != reads:
        raise refusal(sums, "its pixels are not the output's")
    *batch, rows, cols, channels = extents_of(post.results[0])
    return Pooling(
        found.source,
        output_position(function),
        tuple(batch),
        Side(rows, window=1, step=1, pad=0, extent=rows),
        Side(cols, window=1, step=1, pad=0, extent=cols),
        channels,
        recognise_post_op(post, LARGEST_SUM),
        found.convolution,
        border_counts=True,
    )
