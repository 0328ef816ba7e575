"""How a Python function over tensors is executed (eager, graph or xla), and the evidence that it really was."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import tensorflow as tf

from gradassay._spec import Array, Tensors
from gradassay_tensorflow._framework import Tensor, device_of, placement, smallest_normal, to_array, to_tensor

Results = tuple[Mapping[str, Tensor | None], ...]
Function = Callable[..., Results]


@dataclass(frozen=True)
class Traced:
    """A function traced for one signature: what to call, and how much it captured."""

    call: Any  # a ConcreteFunction
    operations: int
    loops: int
    must_compile: bool


class Execution:
    """Executes functions in one mode on one device.

    A traced function is kept by what the caller says it is (`key`) and by its arguments' names, shapes and dtypes.
    After a call, `evidence` says what it was seen to be, never what it was asked to be:

    * "eager": Python ran during the call, with TensorFlow executing eagerly;
    * "graph": no Python of ours ran during the call, and the graph that was called holds operations;
    * "xla": as "graph", the graph is bound to be compiled, and a false `Assert` in it did not fire:
      an executed graph fails on it, and XLA leaves assertions out.

    `facts` are asked for after each call, and are evidence too; of a graph, so are the loops in it.
    """

    def __init__(self, mode: str, device: str, dtype: str, facts: Callable[[], Mapping[str, str]] = dict) -> None:
        self.mode, self.device, self.dtype, self._facts = mode, device, dtype, facts
        self._placement = placement(device)
        self._traced: dict[Hashable, Traced] = {}
        self._entries: list[bool] = []  # at each run of the Python function: was TensorFlow executing eagerly?
        self.evidence: dict[str, str] = {}

    def __call__(self, key: Hashable, function: Function, *groups: Tensors) -> tuple[dict[str, Array | None], ...]:
        """Return as arrays the groups of named tensors that `function` returns for groups of named tensors.

        Raises:
            RuntimeError: if a tensor that comes back lies on another device.
        """
        with tf.device(self._placement):
            tensors = [{name: to_tensor(array) for name, array in group.items()} for group in groups]
            if self.mode == "eager":
                self._entries.clear()
                found = self._enter(function, tensors)
                facts = {"executed": "eager" if self._entries == [True] else "not eager"}
            else:
                found, facts = self._call_traced(key, function, tensors)
        places = sorted({device_of(tensor) for group in found for tensor in group.values() if tensor is not None})
        if places and places != [self.device]:
            raise RuntimeError(f"the answers are on {', '.join(places)}, but {self.device} was asked for")
        self.evidence = {**facts, **self._facts(), "device": ", ".join(places)}
        return tuple({name: None if t is None else to_array(t) for name, t in group.items()} for group in found)

    def subnormals(self) -> str:
        """Return whether a product below the smallest normal number is kept or flushed to zero: measured."""
        return _subnormals(self.mode, self.device, self.dtype)

    def _enter(self, function: Function, tensors: list[dict[str, Tensor]]) -> Results:
        self._entries.append(tf.executing_eagerly())
        return function(*tensors)

    def _call_traced(
        self, key: Hashable, function: Function, tensors: list[dict[str, Tensor]]
    ) -> tuple[Results, dict[str, str]]:
        flat = [tensor for group in tensors for tensor in group.values()]
        signature = tuple(tuple((name, tuple(t.shape), t.dtype) for name, t in group.items()) for group in tensors)
        if (key, signature) not in self._traced:
            self._traced[key, signature] = self._trace(function, tensors, flat)
        traced = self._traced[key, signature]
        self._entries.clear()  # tracing runs Python; a call of what was traced must not
        found = traced.call(tf.constant(False), *flat)
        executed = "not a graph" if self._entries or not traced.operations else "graph"
        if executed == "graph" and traced.must_compile:
            executed = "xla"
        counted = {"operations": str(traced.operations), "loops": str(traced.loops)}
        return found, {"executed": executed, "graphs": str(len(self._traced)), **counted}

    def _trace(self, function: Function, tensors: list[dict[str, Tensor]], flat: list[Tensor]) -> Traced:
        def body(fails_unless_compiled: Tensor, *arguments: Tensor) -> Results:
            if self.mode == "xla":
                tf.debugging.Assert(fails_unless_compiled, ["a function marked jit_compile was executed as a graph"])
            remaining: Iterator[Tensor] = iter(arguments)
            return self._enter(function, [{name: next(remaining) for name in group} for group in tensors])

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in flat]
        traceable = tf.function(body, jit_compile=self.mode == "xla", autograph=False)
        concrete = traceable.get_concrete_function(tf.TensorSpec((), tf.bool), *specs)
        given = {"Placeholder", "NoOp", "Const", "Identity"}
        types = [operation.type for operation in concrete.graph.get_operations()]
        operations = sum(type_ not in given for type_ in types)
        loops = sum(type_ in ("While", "StatelessWhile") for type_ in types)
        return Traced(concrete, operations, loops, concrete.function_def.attr["_XlaMustCompile"].b)


@cache
def _subnormals(mode: str, device: str, dtype: str) -> str:
    def halve(group: Mapping[str, Tensor]) -> Results:
        return ({"half": group["x"] / 2},)

    (found,) = Execution(mode, device, dtype)("halve", halve, {"x": smallest_normal(dtype)})
    half = found["half"]
    return "kept" if half is not None and half.any() else "flushed"
