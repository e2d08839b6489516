"""Read a convolution from tensor IR, by itself or below a maximum over windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.ir import BlockArgument
from xdsl.ir.affine import AffineDimExpr

from ..coalesce import Form
from ..contraction import (
    iterators_of,
    maps_of,
    parameter_position,
    require_multiply_add,
    subscript_form,
)
from ..kernel import refusal
from ..padded import Padded, read_padded
from ..reshaped import whole_array
from .facts import Convolution, Taps
from .forms import composed, extents_of, loop_of


@dataclass(frozen=True)
class PooledSums:
    """Sums of products as pixels of an image, for the subscripts at which a maximum reads them."""

    forms: tuple[Form, ...]
    """Subscripts of the pixels: those of the batch, row, column and channel."""
    extents: tuple[int, ...]
    source: int
    """Position of the parameter that is convolved."""
    convolution: Convolution


def read_sums(sums: GenericOp, reads: Sequence[Form]) -> PooledSums:
    """The convolution ``sums``, of which the element at ``reads`` is read.

    The sums may have a dimension for each loop of a window that a maximum is taken over; then the
    convolution's subscripts say which pixels they are. Refuses what is no convolution over rows
    and columns.
    """
    if len(sums.inputs) != 2:
        raise refusal(sums, "expected a convolution")
    return _Reader(sums, reads).read()


class _Reader:
    def __init__(self, sums: GenericOp, reads: Sequence[Form]) -> None:
        self.sums = sums
        self.reads = reads
        *inputs, target = maps_of(sums)
        self.loops = [loop_of(subscript_form(x, sums), sums) for x in target.results]
        self.sizes = sums.get_static_loop_ranges()
        kinds = iterators_of(sums)
        self.reduced = {n for n, kind in enumerate(kinds) if kind == IteratorType.REDUCTION}
        forms = [subscript_form(x, sums) for x in inputs[0].results]
        array, forms = whole_array(sums.inputs[0], forms)
        self.image: Padded = read_padded(array)
        self.forms = self.image.subscripts(forms)
        self.weights = [subscript_form(x, sums) for x in inputs[1].results]
        require_multiply_add(sums, guarded=bool(self.image.border))

    def read(self) -> PooledSums:
        sums, place = self.sums, len(self.forms) - 3
        if place < 0:
            raise refusal(sums, "expected a convolution of rows, columns and channels")
        depth = loop_of(self.forms[-1], sums)
        if depth not in self.reduced:
            raise refusal(sums, "does not sum over channels, as in a depthwise convolution")
        taps = [self._tap(form, depth) for form in self.forms[place:-1]]
        channel = loop_of(self.weights[-1], sums)
        inputs = extents_of(self.image.inside)
        pixels: list[Form] = []
        extents: list[int] = []
        sides: list[Taps] = []
        for form, tap, extent in zip(self.forms[place:-1], taps, inputs[place:-1], strict=True):
            step, pixel = self._pixel(form, tap)
            count, dilation = (1, 1) if tap is None else (self.sizes[tap], form[tap])
            sides.append(Taps(count, step, dilation, -form.get(None, 0), extent))
            pixels.append(pixel)
            extents.append(self._extent(form, tap, step))
        return PooledSums(
            (
                *(self._read_at(form) for form in self.forms[:place]),
                *pixels,
                self._read_at({channel: 1}),
            ),
            (*inputs[:place], *extents, self.sizes[channel]),
            parameter_position(self.image.inside, sums),
            Convolution(
                parameter_position(sums.inputs[1], sums),
                self._weight_subscripts([*taps, depth, channel]),
                self._bias(channel),
                *sides,
                depth=self.sizes[depth],
            ),
        )

    def _tap(self, form: Form, depth: int) -> int | None:
        """The loop over taps along one side; None where there is one tap."""
        found = [loop for loop in form if loop in self.reduced and loop != depth]
        if len(found) > 1 or any(form[loop] < 1 for loop in found):
            raise refusal(self.sums, f"the subscript {dict(form)} has no tap of its own")
        return found[0] if found else None

    def _weight_subscripts(self, loops: Sequence[int | None]) -> tuple[Form, ...]:
        """Subscripts of the weights over the places of ``loops``, which they need to use up."""
        used = {loop for form in self.weights for loop in form} - {None}
        channel = loops[-1]
        if channel not in self.loops or used != {loop for loop in loops if loop is not None}:
            raise refusal(
                self.sums, "the weights need subscripts for all taps and both channels, last"
            )
        if self.reduced != used - {channel}:
            raise refusal(self.sums, "sums over more than taps and channels")
        places: dict[int, Form] = {
            loop: {place: 1} for place, loop in enumerate(loops) if loop is not None
        }
        return tuple(composed(form, places) for form in self.weights)

    def _read_at(self, form: Form) -> Form:
        """A subscript over the loops of the maximum."""
        return composed(form, dict(zip(self.loops, self.reads, strict=True)))

    def _pixel(self, form: Form, tap: int | None) -> tuple[int, Form]:
        """Inputs from one pixel to the next, and the pixel where sums are read."""
        inputs = self._read_at({k: v for k, v in form.items() if k not in (None, tap)})
        step = gcd(*inputs.values()) or 1
        return step, {loop: factor // step for loop, factor in inputs.items()}

    def _extent(self, form: Form, tap: int | None, step: int) -> int:
        """Pixels of the image: up to the last sum that is there."""
        loops = [(k, v // step) for k, v in form.items() if k is not None and k != tap]
        return 1 + sum(factor * (self.sizes[loop] - 1) for loop, factor in loops)

    def _bias(self, channel: int) -> int | None:
        """The parameter that each sum starts from by its channel; None starts from zero."""
        owner = self.sums.outputs[0].owner
        if isinstance(owner, FillOp):
            return None
        if isinstance(owner, GenericOp) and isinstance(array := owner.operands[0], BlockArgument):
            source, target = (x.results for x in maps_of(owner))
            is_channel = AffineDimExpr(self.loops.index(channel))
            if source == (is_channel,) and target[is_channel.position] == is_channel:
                return array.index
        raise refusal(self.sums, "sums must start from zero or from a bias for each channel")
