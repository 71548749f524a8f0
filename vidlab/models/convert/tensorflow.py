"""Read the weights of a MoViNet out of a TensorFlow SavedModel or checkpoint, as exact floats.

Only stored variables and the graph's names are read; nothing of the graph is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import ConversionError, WeightsError
from vidlab.models.convert.tensorflow_names import describe, state_dict_from_tensorflow
from vidlab.models.movinet.spec import SIZES, MovinetConfig

_LAYER = re.compile(r"(?:^|/)block\d+_layer\d+/")
_DEPTHWISE = re.compile(r"(?:^|.*/)(block\d+_layer\d+)/bneck/feature/.*?(?:depthwise_)?kernel$")
_MOVINET = re.compile(r"(?:^|/)(?:stem/stem|block\d+_layer\d+|head/project|classifier_head)/")
_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def read_savedmodel(directory: str | os.PathLike[str]) -> tuple[MovinetConfig, dict[str, Tensor]]:
    """Read configuration and weights of a MoViNet from a SavedModel directory.

    Args:
        directory: Holds ``saved_model.pb`` and ``variables/``, as TF-Hub models do.

    Returns:
        The configuration, and what :meth:`MoViNet.load_state_dict` takes.

    Raises:
        ConversionError: The directory is damaged or holds something else.
        MissingDependencyError: tensorflow is not installed.
    """
    directory = Path(directory)
    graph_file = directory / "saved_model.pb"
    prefix = directory / "variables" / "variables"
    for needed in (graph_file, prefix.with_name("variables.index")):
        if not needed.is_file():
            raise ConversionError(
                f"{str(directory)!r} is not a SavedModel directory: it lacks "
                f"{needed.relative_to(directory)}."
            )
    require("tensorflow", why="reading a SavedModel")
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(graph_file.read_bytes())
    except (DecodeError, OSError, ValueError) as error:
        raise ConversionError(
            f"{str(graph_file)!r} is damaged: {error}. Fetch it again."
        ) from error
    if not saved_model.meta_graphs:
        raise ConversionError(f"{str(graph_file)!r} holds no graph.")
    operations = _operations(saved_model.meta_graphs[0].graph_def)
    return _to_state(directory, _read_variables(prefix), operations, None)


def read_checkpoint(
    prefix: str | os.PathLike[str], config: MovinetConfig | None = None
) -> tuple[MovinetConfig, dict[str, Tensor]]:
    """Read weights of a MoViNet from a TensorFlow checkpoint.

    Args:
        prefix: Path of the checkpoint without ``.index``.
        config: Of the network. A checkpoint does not say whether it is causal, nor its
            activations: where None, those of the published weights with the same convolutions
            are assumed, and said.

    Returns:
        The configuration, and what :meth:`MoViNet.load_state_dict` takes.

    Raises:
        ConversionError: The files are damaged, hold something else, or do not fit `config`.
        MissingDependencyError: tensorflow is not installed.
    """
    prefix = Path(prefix)
    if prefix.suffix == ".index":
        prefix = prefix.with_suffix("")
    if not prefix.with_name(prefix.name + ".index").is_file():
        raise ConversionError(
            f"There is no checkpoint {str(prefix)!r}: {prefix.name}.index is missing. Give the "
            "path without .index or .data-00000-of-00001."
        )
    require("tensorflow", why="reading a TensorFlow checkpoint")
    return _to_state(prefix, _read_variables(prefix), None, config)


def _read_variables(prefix: Path) -> dict[str, Any]:
    """Return the variables of a checkpoint by their full names, float ones only."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    variables: dict[str, Any] = {}
    try:
        reader = tf.train.load_checkpoint(os.fspath(prefix))
        shapes = reader.get_variable_to_shape_map()
        if _GRAPH_KEY in shapes:
            graph = trackable_object_graph_pb2.TrackableObjectGraph()
            graph.ParseFromString(reader.get_tensor(_GRAPH_KEY))
            names = _full_names(graph)
        else:
            names = {key: key for key in shapes}  # a name-based checkpoint of TensorFlow 1
        for key, name in names.items():
            if key in shapes and reader.get_variable_to_dtype_map()[key].is_floating:
                variables[name] = reader.get_tensor(key)
    except (
        tf.errors.OpError,
        DecodeError,
        ValueError,
        TypeError,
        RuntimeError,
        OSError,
        IndexError,
        KeyError,
        MemoryError,
    ) as error:
        raise ConversionError(
            f"The checkpoint {str(prefix)!r} is damaged, or its data file is missing: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}."
        ) from error
    return variables


def _full_names(graph: Any) -> dict[str, str]:
    """Return checkpoint key to the variable's full name, for the variables of a MoViNet.

    Keras calls the weight of every positional encoding ``scale``; those are told apart by the
    layer they hang under.
    """
    parents: dict[int, int] = {}
    for number, node in enumerate(graph.nodes):
        for child in node.children:
            parents.setdefault(child.node_id, number)
    names: dict[str, str] = {}
    bare: dict[str, int] = {}
    layer_of: dict[int, str] = {}
    for number, node in enumerate(graph.nodes):
        for attribute in node.attributes:
            name, key = attribute.full_name, attribute.checkpoint_key
            if name in ("scale", "rezero/scale"):
                bare[key] = number
            elif _MOVINET.search(name):
                names.setdefault(key, name)
                if match := re.search(r"block\d+_layer\d+", name):
                    for ancestor in _ancestors(number, parents):
                        # An ancestor of two layers is the network, which tells nothing.
                        known = layer_of.setdefault(ancestor, match[0])
                        layer_of[ancestor] = known if known == match[0] else ""
    for key, number in bare.items():
        layers = [layer_of[a] for a in _ancestors(number, parents) if a in layer_of]
        if layers and layers[0]:
            names[key] = f"{layers[0]}/bneck/se/pos_encoding/scale"
    return names


def _ancestors(number: int, parents: Mapping[int, int]) -> Iterable[int]:
    seen = {number}
    while (number := parents.get(number, -1)) not in seen and number >= 0:
        seen.add(number)
        yield number


def _operations(graph: Any) -> dict[str, set[str]]:
    """Return what the nodes of a graph that are a MoViNet's compute, by node name.

    ``ScaledRelu6`` stands beside ``Relu6`` where that is multiplied, as hard swish does.
    """
    operations: dict[str, set[str]] = {}
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        clipped = {node.name for node in nodes if node.op == "Relu6"}
        for node in nodes:
            if not _MOVINET.search(node.name):
                continue
            operations.setdefault(node.name, set()).add(node.op)
            if node.op == "Mul":
                for source in node.input:
                    if (name := source.partition(":")[0]) in clipped:
                        operations.setdefault(name, set()).add("ScaledRelu6")
    return operations


def _to_state(
    path: Path,
    variables: dict[str, Any],
    operations: Mapping[str, set[str]] | None,
    config: MovinetConfig | None,
) -> tuple[MovinetConfig, dict[str, Tensor]]:
    if not any(_LAYER.search(name) for name in variables):
        raise ConversionError(
            f"{str(path)!r} has no variables of a MoViNet; vidlab converts MoViNets only."
        )
    if config is None:
        config = _infer_config(path, variables, operations)
    try:
        state = state_dict_from_tensorflow(config, variables)
    except WeightsError as error:
        raise ConversionError(f"{str(path)!r}: {error}") from error
    for name, value in state.items():
        if not bool(value.isfinite().all()):
            raise ConversionError(f"{str(path)!r}: {name} holds values that are not finite.")
    return config, state


def _infer_config(
    path: Path, variables: Mapping[str, Any], operations: Mapping[str, set[str]] | None
) -> MovinetConfig:
    names = list(variables)
    if any("/conv3d_temporal/" in name for name in names):
        conv_type = "3d_2plus1d"
    else:
        conv_type = "2plus1d" if any("/conv2d/" in name for name in names) else "3d"
    size = _size(path, variables)
    positional_encoding = any(name.endswith("/se/pos_encoding/scale") for name in names)
    classifier = next(
        (v for n, v in variables.items() if re.search(r"classifier_head/classifier/.*kernel$", n)),
        None,
    )
    if classifier is None or not classifier.ndim:
        raise ConversionError(f"{str(path)!r} has no classifier.")
    num_classes = int(classifier.shape[-1])
    se_type = _se_type_by_width(size, variables)

    if operations is None:
        # The published stream weights are 2plus1d, the base ones 3d.
        config = MovinetConfig.official(
            size,
            "base" if conv_type == "3d" else "stream",
            conv_type=conv_type,
            se_type=se_type or "3d",
            positional_encoding=positional_encoding,
            num_classes=num_classes,
        )
        say(
            f"{path.name} does not say its activations; taking those of the published "
            f"{describe(config)}: {config.activation}, {config.gating_activation}. "
            "Give a configuration to say otherwise."
        )
        return config
    if se_type is None:
        cumulative = _any_operation(operations, r"/se/global_average_pool3d")
        se_type = "3d" if cumulative else "2d"
    activation = _activation(operations, r"stem/stem/")
    if activation is None:
        raise ConversionError(
            f"{str(path)!r} does not spell its activations in the graph's names. Convert its "
            "checkpoint (variables/variables) with read_checkpoint and a configuration."
        )
    head_activation = _activation(operations, r"classifier_head/head/")
    gate = _activation(operations, r"/se_expand/")
    return MovinetConfig(
        size=size,
        causal=_any_operation(operations, r"stream_buffer"),
        conv_type=conv_type,
        se_type=se_type,
        activation=activation,
        gating_activation="sigmoid" if gate in (None, "swish") else "hard_sigmoid",
        head_activation=None if head_activation == activation else head_activation,
        positional_encoding=positional_encoding,
        num_classes=num_classes,
    )


def _size(path: Path, variables: Mapping[str, Any]) -> str:
    widths: dict[str, int] = {}
    for name, value in variables.items():
        if match := _DEPTHWISE.fullmatch(name):
            widths[match[1]] = max(int(s) for s in (*value.shape[-2:], 0))
    for size in SIZES:
        layers = {layer.name: layer.expanded_channels for layer in MovinetConfig(size).layers}
        if layers == widths:
            return size
    raise ConversionError(
        f"{str(path)!r} has {len(widths)} layers, whose widths are not those of MoViNet-A0 to A5."
    )


def _se_type_by_width(size: str, variables: Mapping[str, Any]) -> str | None:
    # None where width does not tell 3d from 2d.
    first = MovinetConfig(size).layers[0]
    for name, value in variables.items():
        if re.search(rf"(?:^|/){first.name}/bneck/se/se_reduce/.*kernel$", name):
            return "2plus3d" if value.shape[-2] == 2 * first.expanded_channels else None
    return "none"


def _any_operation(operations: Mapping[str, set[str]], pattern: str) -> bool:
    return any(re.search(pattern, name) for name in operations)


def _activation(operations: Mapping[str, set[str]], pattern: str) -> str | None:
    kinds: set[str] = set()
    for name, ops in operations.items():
        if re.search(pattern, name):
            kinds |= ops
    if "Sigmoid" in kinds:
        return "swish"
    if "Relu6" in kinds:
        return "hard_swish" if "ScaledRelu6" in kinds else "relu6"
    return None
