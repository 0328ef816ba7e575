"""Derivatives of any function of named tensors, by TensorFlow's own routes. Knows no model.

A route that cannot be traced has another beside it: a `tf.while_loop` inside a graph has no forward accumulator
(so VJPs are differentiated in its place), and XLA compiles no pfor over a loop (so a Jacobian is stacked from VJPs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from gradassay_tensorflow._framework import Tensor, Variable

Named = Mapping[str, Tensor]


@dataclass(frozen=True)
class Differentiable:
    """A function of named tensors that also reads variables; both are what it can be differentiated by."""

    call: Callable[[Named], Named]
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def sources(self, inputs: Named, names: Sequence[str]) -> list[Tensor]:
        return [inputs[name] if name in inputs else self.variables[name] for name in names]


def _watching(sources: Sequence[Tensor]) -> tf.GradientTape:
    tape = tf.GradientTape(watch_accessed_variables=False)
    with tape:
        for source in sources:
            tape.watch(source)
    return tape


def _pull(tape: tf.GradientTape, outputs: Named, cotangents: Named, sources: Sequence[Tensor]) -> list[Tensor | None]:
    """Return J' v for each source, dense; None where TensorFlow finds no path."""
    gradients = tape.gradient([outputs[name] for name in cotangents], sources, list(cotangents.values()))
    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]


def vjp(function: Differentiable, inputs: Named, cotangents: Named, wrt: Sequence[str]) -> tuple[Named, Named]:
    """Return (outputs, J' v). Source: reverse mode by `tf.GradientTape`."""
    sources = function.sources(inputs, wrt)
    with _watching(sources) as tape:
        outputs = function.call(inputs)
    return outputs, dict(zip(wrt, _pull(tape, outputs, cotangents, sources), strict=True))


def jvp_by_accumulator(function: Differentiable, inputs: Named, tangents: Named) -> tuple[Named, Named]:
    """Return (outputs, J u), by `tf.autodiff.ForwardAccumulator`."""
    primals = function.sources(inputs, list(tangents))
    with tf.autodiff.ForwardAccumulator(primals, list(tangents.values())) as accumulator:
        outputs = function.call(inputs)
    zero = tf.UnconnectedGradients.ZERO
    return outputs, {name: accumulator.jvp(output, zero) for name, output in outputs.items()}


def jvp_by_double_vjp(function: Differentiable, inputs: Named, tangents: Named) -> tuple[Named, Named]:
    """Return (outputs, J u) as the derivative of the linear map v -> <J' v, u>. Source: J. Townsend, 2017."""
    sources = function.sources(inputs, list(tangents))
    with _watching(sources) as inner:
        outputs = function.call(inputs)
    dummies = {name: tf.zeros_like(output) for name, output in outputs.items()}
    with _watching(list(dummies.values())) as outer:
        pulled = _pull(inner, outputs, dummies, sources)
    return outputs, dict(zip(outputs, _along(outer, pulled, tangents, list(dummies.values())), strict=True))


def hvp_forward_over_reverse(
    function: Differentiable, inputs: Named, cotangents: Named, tangents: Named, wrt: Sequence[str]
) -> Named:
    """Return the derivative of J' v along `tangents`, with a forward accumulator around the tape."""
    primals = function.sources(inputs, list(tangents))
    with tf.autodiff.ForwardAccumulator(primals, list(tangents.values())) as accumulator:
        _, gradients = vjp(function, inputs, cotangents, wrt)
    zero = tf.UnconnectedGradients.ZERO
    return {name: None if g is None else accumulator.jvp(g, zero) for name, g in gradients.items()}


def hvp_reverse_over_reverse(
    function: Differentiable, inputs: Named, cotangents: Named, tangents: Named, wrt: Sequence[str]
) -> Named:
    """Return the derivative of J' v along `tangents` as the gradient of <J' v, u>: second derivatives commute.

    What has no gradient at all stays None; what has one, but no second one, is zero.
    """
    names = list(dict.fromkeys((*tangents, *wrt)))
    sources, by = function.sources(inputs, names), function.sources(inputs, wrt)
    with _watching(by) as outer:
        with _watching(sources) as inner:
            outputs = function.call(inputs)
        first = dict(zip(names, _pull(inner, outputs, cotangents, sources), strict=True))
    second = _along(outer, [first[name] for name in tangents], tangents, by)
    return {name: None if first[name] is None else found for name, found in zip(wrt, second, strict=True)}


def _along(
    tape: tf.GradientTape, pulled: Sequence[Tensor | None], tangents: Named, by: Sequence[Tensor]
) -> list[Tensor]:
    """Return the gradient of sum <pulled, tangent>, zero where there is no path."""
    pairs = [(found, tangent) for found, tangent in zip(pulled, tangents.values(), strict=True) if found is not None]
    if not pairs:
        return [tf.zeros_like(source) for source in by]
    targets, directions = (list(side) for side in zip(*pairs, strict=True))
    return list(tape.gradient(targets, by, directions, unconnected_gradients=tf.UnconnectedGradients.ZERO))


def jacobian_by_pfor(function: Differentiable, inputs: Named, of: str, wrt: str) -> Tensor:
    """Return d of / d wrt, of shape `of.shape + wrt.shape`: `tape.jacobian`, whose rows run side by side in a pfor."""
    (source,) = function.sources(inputs, [wrt])
    with _watching([source]) as tape:
        output = function.call(inputs)[of]
    return tape.jacobian(output, source, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def jacobian_row(function: Differentiable, inputs: Named, position: Tensor, of: str, wrt: str) -> tuple[Tensor, Tensor]:
    """Return (the output `of`, the gradient of its element at flat `position`), of the shapes of both."""
    (source,) = function.sources(inputs, [wrt])
    with _watching([source]) as tape:
        output = function.call(inputs)[of]
    one = tf.reshape(tf.one_hot(position, tf.size(output), dtype=output.dtype), tf.shape(output))
    zero = tf.UnconnectedGradients.ZERO
    return output, tf.convert_to_tensor(tape.gradient(output, source, one, unconnected_gradients=zero))


def vjps(function: Differentiable, inputs: Named, cotangents: Named, wrt: Sequence[str]) -> Named:
    """Return J' v for K cotangents, of shape (K, *wrt): a pfor over one tape, or no loop where K is 1."""
    sources = function.sources(inputs, wrt)
    with _watching(sources) as tape:
        outputs = function.call(inputs)
    targets, zero = [outputs[name] for name in cotangents], tf.UnconnectedGradients.ZERO

    def pull(along: Sequence[Tensor]) -> list[Tensor]:
        found = tape.gradient(targets, sources, list(along), unconnected_gradients=zero)
        return [tf.convert_to_tensor(gradient) for gradient in found]

    if next(iter(cotangents.values())).shape[0] == 1:
        found = [gradient[None] for gradient in pull([along[0] for along in cotangents.values()])]
    else:
        found = tf.vectorized_map(pull, list(cotangents.values()), fallback_to_while_loop=False)
    return dict(zip(wrt, found, strict=True))
