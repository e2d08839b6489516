"""Read two programs that are to be compared; an NKI kernel takes its shapes from the other one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import GemminiConfig, load_config
from ..hw.machines import TRAINIUM, machine_of
from ..hw.trainium.config import TrainiumConfig
from ..hw.trainium.config import load_config as load_neuron_config
from ..lifting.nki import Argument, ArrayShape, array_shape, parameter_names, parse_shapes, read_nki
from ..lifting.scalars import with_arrays_only
from .read import SHAPES_OF_NKI, read_module, read_text


def is_nki(path: str) -> bool:
    return Path(path).suffix == ".py"


def gemmini_config(name: str) -> GemminiConfig:
    """The Gemmini of a configuration's name; the default one if it is of another machine."""
    return load_config() if machine_of(name) == TRAINIUM else load_config(name)


def neuron_config(name: str) -> TrainiumConfig:
    """The NeuronCore of a configuration's name; the default one if it is of another machine.

    Only proofs about streams depend on it, by its memory and its instructions.
    """
    return load_neuron_config(name) if machine_of(name) == TRAINIUM else load_neuron_config()


def read_pair(
    paths: Sequence[str], config: GemminiConfig, shapes: Sequence[str]
) -> tuple[ModuleOp, ModuleOp]:
    """Both programs. ``shapes`` (``name=128x512:bf16``) are about the parameters of NKI kernels;

    those that are not given are taken from the other program, parameter by parameter. What is
    compared with a program for Trainium takes scalars as arrays of one element, as that does.
    """
    given = parse_shapes(list(shapes))
    if given and not any(is_nki(path) for path in paths):
        raise Diagnostic(SHAPES_OF_NKI)
    plain: dict[str, ModuleOp] = {}
    like = None
    for path in paths:
        if not is_nki(path):
            plain[path] = read_module(path, config, like)
            like = like or plain[path]
    if len(plain) < len(paths) or any(map(_is_for_trainium, plain.values())):
        plain = {path: with_arrays_only(module) for path, module in plain.items()}
        like = like and with_arrays_only(like)
    found = [plain[path] if path in plain else _read_nki(path, given, like) for path in paths]
    return found[0], found[1]


def _is_for_trainium(module: ModuleOp) -> bool:
    return any(operation.dialect_name() == "trn" for operation in module.walk())


def _read_nki(path: str, given: dict[str, Argument], like: ModuleOp | None) -> ModuleOp:
    text = read_text(path)
    shapes = dict(given)
    if like is not None:
        # What the text or the options say of a parameter is left alone; the proof compares it.
        numbers = {name for name, one in given.items() if not isinstance(one, ArrayShape)}
        names = [name for name in parameter_names(text, path, given) if name not in numbers]
        for name, argument in _shapes_of(like, names).items():
            shapes.setdefault(name, argument)
    return read_nki(text, path, shapes)


def _shapes_of(module: ModuleOp, names: Sequence[str]) -> dict[str, Argument]:
    """The shapes of a program's first array parameters, under the names of a kernel's."""
    function = next((op for op in module.walk() if isinstance(op, FuncOp)), None)
    found: dict[str, Argument] = {}
    for name, argument in zip(names, function.args if function is not None else (), strict=False):
        kind = argument.type
        if not isinstance(kind, MemRefType | TensorType) or DYNAMIC_INDEX in kind.get_shape():
            break
        shape = array_shape(tuple(kind.get_shape()), str(kind.element_type))
        if shape is None:
            break
        found[name] = shape
    return found
