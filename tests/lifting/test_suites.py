"""Kernels of the published suites are lifted, and compute what compiled C and C++ compute."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.c import syntax
from liftproof.lifting.c.call_graph import find_kernel
from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.c.parser import parse_c
from liftproof.lifting.c.types import CStruct
from liftproof.lifting.lift import lift
from liftproof.lifting.results import with_result_as_output
from liftproof.lifting.tensors.numpy_view import numpy_function
from liftproof.validation.extract.extent_text import parse_extent
from xdsl.dialects.builtin import IntegerAttr, ModuleOp

SUITES = Path(__file__).parent / "suites"
KERNELS = sorted(path for path in SUITES.rglob("*") if path.suffix in (".c", ".cc"))

NOT_LIFTED = {
    "image/histogram_equal_lut": "a subscript depends on the data",
    "misc/push_rows": "rows grow in the place where they stay",
    "misc/switch_scale": "switch",
    "pool/clamped_border": "a subscript is a minimum",
    "stackoverflow/all_positive": "the loop ends early",
    "stackoverflow/any": "the loop returns",
    "stackoverflow/argmax": "the subscript depends on the data",
    "stackoverflow/cumsum": "a prefix sum",
    "stackoverflow/push_into_rows": "rows grow in the place where they stay",
    "utdsp/iir": "a recurrence",
}
"""What the lifter refuses so far, and why."""

OVERFLOWING = {"polybench/gemver"}
"""Products of so many factors that integers wrap around; the results must agree all the same."""

CHECKED = ("-O0", "-fsanitize=undefined")
"""Options of the C compiler: undefined behaviour is reported while the kernel runs."""

SIZES = {
    "blas/gemm_column_major": {"lda": 3, "ldb": 5, "ldc": 3},
    "blas/saxpy_inc": {"incx": 1, "incy": 1},
    "misc/branch_on_parameter": {"k": -2},
    "misc/sign_of_parameter": {"k": -2},
    "image/crop": {"src_w": 7, "x0": 2, "y0": 1},
    "darknet/axpy_cpu": {"INCX": 1, "INCY": 1},
    "darknet/gemm_nn": {"lda": 5, "ldb": 4, "ldc": 4, "K": 5, "N": 4},
    "darknet/gemm_nt": {"lda": 5, "ldb": 5, "ldc": 4, "K": 5, "N": 4},
    "darknet/gemm_tn": {"lda": 3, "ldb": 4, "ldc": 4, "M": 3, "N": 4},
    "darknet/gemm_tt": {"lda": 3, "ldb": 5, "ldc": 4, "M": 3, "K": 5, "N": 4},
    "artificial/gemm": {"M": 4, "K": 4},
    "llama/attention_values": {"kv_dim": 4, "head_size": 4},
}
"""Scalar arguments that matter: distances between rows are those of arrays without gaps."""


@dataclass(frozen=True)
class Case:
    """A kernel with its interface as it is written and as it is lifted, and arguments for it."""

    path: Path
    unit: syntax.TranslationUnit
    kernel: syntax.Function
    names: list[str]
    values: dict[str, np.ndarray | int | float]
    outputs: list[str]

    @staticmethod
    def of(path: Path, module: ModuleOp) -> Case:
        """Return the case with random arguments of the shapes that the front end found."""
        unit = parse_c(path.read_text(), path.name)
        attributes = module.body.block.first_op.attributes
        names = [name.data for name in attributes["liftproof.parameters"]]
        types = [name.data for name in attributes["liftproof.c_types"]]
        rows = attributes["liftproof.extents"]
        outputs = [names[place] for place in attributes["liftproof.outputs"].get_values()]
        arguments = module.body.block.first_op.body.block.args
        random = np.random.default_rng(len(path.read_text()))
        chosen = SIZES.get(f"{path.parent.name}/{path.stem}", {})
        values: dict[str, np.ndarray | int | float] = {}
        for place, (name, kind) in enumerate(zip(names, types, strict=True)):
            if not hasattr(arguments[place].type, "shape"):
                if kind in ("float", "double"):
                    values[name] = 2.5
                else:
                    values[name] = chosen.get(name, _size(name, place))
        for place, name in enumerate(names):
            if name not in values:
                shape = [_extent(entry, values) for entry in rows.data[place]]
                element = str(arguments[place].type.element_type)
                values[name] = _contents(random, shape, element, "uint" in types[place])
        return Case(path, unit, find_kernel(unit, path.name), names, values, outputs)


def _size(name: str, place: int) -> int:
    """Return a size: equal for equal dimensions of tensors and of vectors, small otherwise."""
    if name.endswith(("_size", "_cols", "_rows")) or "_dimensions_" in name:
        return 4
    return 3 + place % 3


def _extent(entry: object, values: dict[str, np.ndarray | int | float]) -> int:
    if isinstance(entry, IntegerAttr):
        return entry.value.data
    terms = parse_extent(entry.data)  # type: ignore[attr-defined]
    assert terms is not None, entry
    return sum(
        coefficient * int(np.prod([int(values[name]) for name in names] or [1]))
        for names, coefficient in terms
    )


def _contents(
    random: np.random.Generator, shape: list[int], kind: str, unsigned: bool
) -> np.ndarray:
    """Return values that are never 0, because kernels divide by them."""
    numbers = random.integers(1, 41, shape)
    if unsigned:
        return np.asarray(numbers, f"uint{kind.removeprefix('i')}")
    numbers = numbers * random.choice([-1, 1, 1], shape)
    named = {"f32": np.float32, "f64": np.float64}
    if kind in named:
        return np.asarray(numbers / 8, named[kind])
    return np.asarray(numbers, f"int{kind.removeprefix('i')}")


# ---- C: called through ctypes ----------------------------------------------------------------


def run_c(case: Case, folder: Path) -> dict[str, np.ndarray]:
    """Compile the C file and return the outputs of a call."""
    library = folder / "kernel.so"
    command = ["gcc", *CHECKED, "-shared", "-fPIC", "-o", library, case.path, "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    arrays = {n: v.copy() for n, v in case.values.items() if isinstance(v, np.ndarray)}
    function = getattr(ctypes.CDLL(str(library)), case.kernel.name)
    kept: list[object] = []
    arguments = [_c_argument(p, case, arrays, kept) for p in case.kernel.parameters]
    function.restype = _c_type(case.kernel.result)
    returned = function(*arguments)
    if case.outputs[-1] == "result":
        arrays["result"] = np.array(returned, arrays["result"].dtype)
    return {name: arrays[name] for name in case.outputs}


def _c_argument(
    parameter: syntax.Declarator, case: Case, arrays: dict[str, np.ndarray], kept: list[object]
) -> object:
    base, derivations = parameter.type.base, parameter.type.derivations
    if isinstance(base, CStruct):
        structure = _structure(parameter.name, base, case, arrays, kept)
        return ctypes.byref(structure) if derivations else structure
    if derivations:
        rank = sum(isinstance(part, syntax.PointerTo) for part in derivations)
        return _pointer(arrays[parameter.name], rank, kept)
    value = case.values[parameter.name]
    return _c_type(base)(value if isinstance(value, float) else int(value))


def _c_type(kind: object) -> type:
    named = {"float": ctypes.c_float, "double": ctypes.c_double, "int8_t": ctypes.c_int8}
    widths = {"int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "uint32_t": ctypes.c_uint32}
    return (named | widths).get(str(kind), ctypes.c_int)


def _pointer(array: np.ndarray, rank: int, kept: list[object]) -> ctypes.c_void_p:
    if rank < 2:
        return array.ctypes.data_as(ctypes.c_void_p)
    rows = (ctypes.c_void_p * len(array))(*(row.ctypes.data for row in array))
    kept.append(rows)
    return ctypes.cast(rows, ctypes.c_void_p)


def _structure(
    name: str, kind: CStruct, case: Case, arrays: dict[str, np.ndarray], kept: list[object]
) -> ctypes.Structure:
    fields: list[tuple[str, type]] = []
    values: dict[str, object] = {}
    for member in case.unit.structures[kind.name]:
        pointers = len(member.type.derivations)
        fields.append((member.name, ctypes.c_void_p if pointers else ctypes.c_int))
        flat = {n.rstrip("_"): n for n in case.names if n.startswith(f"{name}_{member.name}")}
        if f"{name}_{member.name}" in flat:
            value = case.values[flat[f"{name}_{member.name}"]]
            known = flat[f"{name}_{member.name}"]
            is_array = isinstance(value, np.ndarray)
            values[member.name] = _pointer(arrays[known], pointers, kept) if is_array else value
        elif flat:
            count = 1 + max(int(n.rsplit("_", 1)[1]) for n in flat)
            numbers = [int(case.values.get(f"{name}_{member.name}_{i}", 4)) for i in range(count)]
            elements = (ctypes.c_int * count)(*numbers)
            kept.append(elements)
            values[member.name] = ctypes.cast(elements, ctypes.c_void_p)
    made = type(kind.name, (ctypes.Structure,), {"_fields_": fields})(**values)
    kept.append(made)
    return made


# ---- C++: called by a generated driver -------------------------------------------------------


def run_cpp(case: Case, folder: Path) -> dict[str, np.ndarray]:
    """Compile the C++ file with a driver that prints the outputs, and return them."""
    lines = ["#include <cstdio>", f'#include "{case.path}"', "int main() {"]
    call: list[str] = []
    for parameter in case.kernel.parameters:
        value = case.values[parameter.name]
        rank = len(parameter.type.derivations)
        kind = _cpp_type(parameter.type.base, rank)
        text = str(value)
        if isinstance(value, np.ndarray):
            text = _braces(value.reshape((*value.shape[: rank - 1], -1)))
        lines.append(f"{kind} {parameter.name} = {text};")
        call.append(parameter.name)
    result = _cpp_type(case.kernel.result, case.kernel.vector_rank)
    target = "" if result == "void" else f"{result} returned_value = "
    lines.append(f"{target}{case.kernel.name}({', '.join(call)});")
    ranks = {p.name: len(p.type.derivations) for p in case.kernel.parameters}
    for name in case.outputs:
        variable = name if name in ranks else "returned_value"
        lines.append(_printing(variable, ranks.get(name, case.kernel.vector_rank)))
    source, program = folder / "driver.cc", folder / "driver"
    source.write_text("\n".join([*lines, "return 0;", "}"]))
    command = ["g++", "-O0", "-fwrapv", "-o", program, source]
    subprocess.run(command, check=True, capture_output=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    found: dict[str, np.ndarray] = {}
    for name in case.outputs:
        like = case.values[name]
        assert isinstance(like, np.ndarray)
        numbers, printed = printed[: like.size], printed[like.size :]
        found[name] = np.array(numbers, float).astype(like.dtype).reshape(like.shape)
    assert not printed
    return found


def _cpp_type(base: object, rank: int) -> str:
    named = {"int32_t": "int", "uint64_t": "size_t"}
    name = named.get(str(base), str(base))
    return "std::vector<" * rank + name + ">" * rank


def _braces(value: np.ndarray) -> str:
    if value.ndim == 0:
        return str(value)
    return "{" + ", ".join(_braces(part) for part in value) + "}"


def _printing(variable: str, rank: int) -> str:
    loops = "".join(f"for (auto &x{d + 1} : x{d}) " for d in range(rank))
    return f'{{ auto &x0 = {variable}; {loops}std::printf("%.9g ", (double)x{rank}); }}'


# ---- properties ------------------------------------------------------------------------------


def _identifier(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("name", sorted(NOT_LIFTED))
def test_unsupported_suite_kernel_is_refused(name: str) -> None:
    """Each kernel that is not lifted gives a diagnostic with its place."""
    (path,) = SUITES.glob(f"{name}.*")
    with pytest.raises(Diagnostic) as refusal:
        lift(with_result_as_output(read_c_kernel(path)))
    assert refusal.value.location is not None


@pytest.mark.parametrize(
    "path",
    [path for path in KERNELS if _identifier(path) not in NOT_LIFTED],
    ids=_identifier,
)
def test_suite_kernel_computes_what_the_compiler_computes(
    path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The NumPy function of a lifted kernel equals the compiled kernel, which is well defined."""
    module = lift(with_result_as_output(read_c_kernel(path)))
    module.verify()
    case = Case.of(path, module)
    expected = (run_c if path.suffix == ".c" else run_cpp)(case, tmp_path)
    assert _identifier(path) in OVERFLOWING or "runtime error" not in capfd.readouterr().err
    namespace: dict[str, object] = {}
    exec(numpy_function(module), namespace)
    arguments = [case.values[name] for name in case.names]
    with np.errstate(over="ignore"):
        found = namespace[case.kernel.name](*arguments)  # type: ignore[operator]
    found = found if isinstance(found, tuple) else (found,)
    for output, (name, reference) in zip(found, expected.items(), strict=True):
        assert np.shape(output) == reference.shape
        if reference.dtype.kind == "f":
            np.testing.assert_allclose(output, reference, rtol=2e-5, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(output, reference, err_msg=name)
