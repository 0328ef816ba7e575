"""Steps that are computed again for the backward, by `tf.recompute_grad`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from gradassay_tensorflow._framework import Tensor
from gradassay_tensorflow._loop import step_of


class Checkpoints:
    """One step under `tf.recompute_grad`; counted is how often Python ran it, and how often a backward passed by."""

    def __init__(self) -> None:
        self._steps = self._bodies = self._passed = 0

    def __call__(self, cell: Mapping[str, Tensor], x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        names = list(cell)

        # The weights are arguments like the others: of variables that it finds by itself, it wants to hear in the end.
        def body(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
            self._bodies += 1
            return step_of(dict(zip(names, weights, strict=True)), x, h, c)

        self._steps += 1
        h, c = tf.recompute_grad(body)(x, h, c, *(tf.convert_to_tensor(cell[name]) for name in names))
        return h, self._counting(c)

    def _counting(self, value: Tensor) -> Tensor:
        @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow publishes no types
        def unchanged(value: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
            def pull(cotangent: Tensor) -> Tensor:
                self._passed += 1
                return cotangent

            return tf.identity(value), pull

        return unchanged(value)

    def facts(self) -> dict[str, str]:
        """Say what was counted since the last time: where a backward passed by, steps should have run again."""
        steps, again, passed = self._steps, self._bodies - self._steps, self._passed
        self._steps = self._bodies = self._passed = 0
        checkpointed = "yes" if steps and (again or not passed) else "no"
        return {"checkpointed": checkpointed, "steps": str(steps), "steps_again": str(again)}
