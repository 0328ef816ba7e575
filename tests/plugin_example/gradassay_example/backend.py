"""Who is verified: the same model in NumPy, its derivative by hand."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradassay import Backend, Offer, Target, Tensors
from gradassay_example.affine import Affine


class Model:
    def __init__(self, parameters: Tensors) -> None:
        self.weight, self.bias = parameters["weight"], parameters["bias"]
        self.ran = {"kernel": "numpy"}

    def forward(self, inputs: Tensors) -> Tensors:
        return {"y": np.tanh(inputs["x"] @ self.weight.T + self.bias)}

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, Tensors]:
        outputs = self.forward(inputs)
        before = cotangents["y"] * (1 - outputs["y"] ** 2)
        gradients = {"x": before @ self.weight, "weight": before.T @ inputs["x"], "bias": before.sum(axis=0)}
        return outputs, {name: gradients[name] for name in wrt}


class Example:
    name = "example"
    offers = (Offer(spec="affine"),)

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def versions(self) -> Mapping[str, str]:
        return {"numpy": np.__version__}

    def load(self, spec: str, config: Affine, parameters: Tensors, target: Target) -> Model:
        return Model(parameters)


example_backend: Backend = Example()
