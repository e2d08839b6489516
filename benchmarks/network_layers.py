"""The layers of ResNet-50 and MobileNet-v2, and plain C kernels for them.

A kernel is what one would write down for the layer: direct loops over NHWC arrays of int8, weights
as HWIO, sums in int32, a bias, ReLU, and a power of two as scale. The border of zeros around an
image is part of the input array. Sources of the shapes: He et al., "Deep Residual Learning for
Image Recognition" (2015), table 1, with the stride in the 3×3 layer as all libraries have it;
Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["dense", "depthwise", "maxpool", "avgpool"]


@dataclass(frozen=True)
class Layer:
    """One layer of a network on square images."""

    network: str
    kind: Kind
    size: int
    """Rows and columns of the output."""
    channels: int
    outputs: int
    window: int = 1
    stride: int = 1
    relu: bool = True

    @property
    def input_size(self) -> int:
        """Rows and columns of the input, with the border."""
        return (self.size - 1) * self.stride + self.window

    def name(self, batch: int) -> str:
        """What the layer's kernel and file are called."""
        shape = f"{self.size}x{self.size}x{self.channels}x{self.outputs}"
        stride = f"_stride{self.stride}" if self.stride > 1 else ""
        linear = "" if self.relu or self.kind != "dense" else "_linear"
        return (
            f"{self.network}_batch{batch}_{self.kind}_{self.window}x{self.window}{stride}"
            f"{linear}_{shape}"
        )

    def source(self, batch: int) -> str:
        """The layer as a C kernel for ``batch`` images."""
        writers = {
            "dense": _dense,
            "depthwise": _depthwise,
            "maxpool": _maxpool,
            "avgpool": _average_of_all,
        }
        return writers[self.kind](self, batch)


def _dense(layer: Layer, batch: int) -> str:
    if layer.input_size == 1:
        return _fully_connected(layer, batch)
    body = (
        f"in[image][{_at(layer, 'row', 'r')}][{_at(layer, 'col', 's')}][input]"
        f" * weights[{'r' if layer.window > 1 else '0'}][{'s' if layer.window > 1 else '0'}]"
        "[input][output]"
    )
    arrays = (
        f"const int8_t in[{batch}][{layer.input_size}][{layer.input_size}][{layer.channels}],\n"
        f"          const int8_t weights[{layer.window}][{layer.window}]"
        f"[{layer.channels}][{layer.outputs}],\n"
        f"          const int32_t bias[{layer.outputs}],\n"
        f"          int8_t out[{batch}][{layer.size}][{layer.size}][{layer.outputs}]"
    )
    loops = _loop("input", layer.channels)
    if layer.window > 1:
        loops = _loop("r", layer.window) + _loop("s", layer.window) + loops
    return _kernel(layer, batch, arrays, "output", layer.outputs, loops, body)


def _depthwise(layer: Layer, batch: int) -> str:
    body = (
        f"in[image][{_at(layer, 'row', 'r')}][{_at(layer, 'col', 's')}][channel]"
        " * weights[r][s][channel]"
    )
    arrays = (
        f"const int8_t in[{batch}][{layer.input_size}][{layer.input_size}][{layer.channels}],\n"
        f"          const int8_t weights[{layer.window}][{layer.window}][{layer.channels}],\n"
        f"          const int32_t bias[{layer.channels}],\n"
        f"          int8_t out[{batch}][{layer.size}][{layer.size}][{layer.channels}]"
    )
    loops = _loop("r", layer.window) + _loop("s", layer.window)
    return _kernel(layer, batch, arrays, "channel", layer.channels, loops, body)


def _maxpool(layer: Layer, batch: int) -> str:
    """Pooling of an image whose border holds the smallest value."""
    return (
        "#include <stdint.h>\n\n"
        f"void layer(const int8_t in[{batch}][{layer.input_size}][{layer.input_size}]"
        f"[{layer.channels}],\n"
        f"           int8_t out[{batch}][{layer.size}][{layer.size}][{layer.channels}]) {{\n"
        f"{_pixels(layer, batch)}{_loop('channel', layer.channels)}{{\n"
        "int8_t best = -128;\n"
        f"{_loop('r', layer.window)}{_loop('s', layer.window)}{{\n"
        f"int8_t x = in[image][{_at(layer, 'row', 'r')}][{_at(layer, 'col', 's')}][channel];\n"
        "best = x > best ? x : best;\n}\n"
        "out[image][row][col][channel] = best;\n}\n}\n"
    )


def _average_of_all(layer: Layer, batch: int) -> str:
    """The mean of all pixels of an image, by channel."""
    size, channels = layer.input_size, layer.channels
    return (
        "#include <math.h>\n#include <stdint.h>\n\n"
        f"void layer(const int8_t in[{batch}][{size}][{size}][{channels}],\n"
        f"           int8_t out[{batch}][{channels}]) {{\n"
        f"{_loop('image', batch)}{_loop('channel', channels)}{{\n"
        "int32_t sum = 0;\n"
        f"{_loop('row', size)}{_loop('col', size)}sum += in[image][row][col][channel];\n"
        f"{_store('out[image][channel]', layer.relu, f'1.0f / {size * size}')}}}\n}}\n"
    )


def _fully_connected(layer: Layer, batch: int) -> str:
    return (
        "#include <stdint.h>\n\n"
        f"void layer(const int8_t in[{batch}][{layer.channels}],\n"
        f"          const int8_t weights[{layer.channels}][{layer.outputs}],\n"
        f"          const int32_t bias[{layer.outputs}], int8_t out[{batch}][{layer.outputs}]) {{\n"
        f"{_loop('image', batch)}{_loop('output', layer.outputs)}{{\n"
        "int32_t sum = bias[output];\n"
        f"{_loop('input', layer.channels)}sum += in[image][input] * weights[input][output];\n"
        f"{_store('out[image][output]', layer.relu)}}}\n}}\n"
    )


def _kernel(
    layer: Layer, batch: int, arrays: str, output: str, outputs: int, loops: str, body: str
) -> str:
    return (
        "#include <math.h>\n#include <stdint.h>\n\n"
        f"void layer({arrays}) {{\n"
        f"{_pixels(layer, batch)}{_loop(output, outputs)}{{\n"
        f"int32_t sum = bias[{output}];\n"
        f"{loops}sum += {body};\n"
        f"{_store(f'out[image][row][col][{output}]', layer.relu)}}}\n}}\n"
    )


def _store(target: str, relu: bool, scale: str = "1.0f / 128") -> str:
    """Scale, round half to even, and saturate."""
    lower = "sum = sum < 0 ? 0 : sum;\n" if relu else ""
    return (
        f"{lower}float scaled = rintf(sum * ({scale}));\n"
        "scaled = scaled > 127.0f ? 127.0f : scaled;\n"
        + ("" if relu else "scaled = scaled < -128.0f ? -128.0f : scaled;\n")
        + f"{target} = (int8_t)scaled;\n"
    )


def _pixels(layer: Layer, batch: int) -> str:
    return _loop("image", batch) + _loop("row", layer.size) + _loop("col", layer.size)


def _loop(name: str, count: int) -> str:
    return f"for (int {name} = 0; {name} < {count}; {name}++)\n"


def _at(layer: Layer, pixel: str, offset: str) -> str:
    scaled = f"{layer.stride} * {pixel}" if layer.stride > 1 else pixel
    return f"{scaled} + {offset}" if layer.window > 1 else scaled


def _resnet50() -> list[Layer]:
    """The stem, and four stages of bottlenecks: 1×1 to ``inner``, 3×3, 1×1 to ``outer``."""
    network = "resnet50"
    layers = [
        Layer(network, "dense", 112, 3, 64, window=7, stride=2),
        Layer(network, "maxpool", 56, 64, 64, window=3, stride=2),
    ]
    before = 64
    for stage, (size, inner) in enumerate(((56, 64), (28, 128), (14, 256), (7, 512))):
        outer, stride = 4 * inner, 1 if stage == 0 else 2
        layers += [
            Layer(network, "dense", size * stride, before, inner),
            Layer(network, "dense", size, inner, inner, window=3, stride=stride),
            Layer(network, "dense", size, inner, outer, relu=False),
            Layer(network, "dense", size, before, outer, stride=stride, relu=False),
            Layer(network, "dense", size, outer, inner),
            Layer(network, "dense", size, inner, inner, window=3),
        ]
        before = outer
    pool = Layer(network, "avgpool", 1, before, before, window=7, relu=False)
    return [*layers, pool, Layer(network, "dense", 1, before, 1000, relu=False)]


def _mobilenet_v2() -> list[Layer]:
    """The stem, inverted residuals (1×1 up, 3×3 depthwise, 1×1 down), and the head."""
    network = "mobilenetv2"
    layers = [Layer(network, "dense", 112, 3, 32, window=3, stride=2)]
    before, size = 32, 112
    # Expansion, output channels, repetitions, stride of the first repetition.
    for expansion, outputs, repetitions, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for repetition in range(repetitions):
            stride, wide = first_stride if repetition == 0 else 1, expansion * before
            if expansion > 1:
                layers.append(Layer(network, "dense", size, before, wide))
            size //= stride
            layers += [
                Layer(network, "depthwise", size, wide, wide, window=3, stride=stride),
                Layer(network, "dense", size, wide, outputs, relu=False),
            ]
            before = outputs
    head = Layer(network, "dense", 7, before, 1280)
    pool = Layer(network, "avgpool", 1, 1280, 1280, window=7, relu=False)
    return [*layers, head, pool, Layer(network, "dense", 1, 1280, 1000, relu=False)]


def network_layers() -> list[Layer]:
    """Every distinct layer of both networks, in order."""
    return list(dict.fromkeys([*_resnet50(), *_mobilenet_v2()]))
