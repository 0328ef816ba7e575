import jax
import jax.numpy as jnp

import certified
import gradassay
from jax_lstm import lstm

print("step", "float32", "float64", sep="   ")
for power in (1, 2, 3, 4, 5, 6, 8, 10, 12):
    step, errors = 10.0**-power, []
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            w = {name: jnp.array(array, dtype) for name, array in certified.weights.items()}
            x, v, dx = (jnp.array(a, dtype) for a in (certified.x, certified.v, certified.truth))
            moved = step * jnp.eye(15, dtype=dtype).reshape(15, 5, 3)  # one element of x at a time
            up, down = ((lstm(w, {"x": x + d})["y"] * v).sum((1, 2)) for d in (moved, -moved))
            error = (up - down).reshape(x.shape) / (2 * step) - dx
            errors.append(jnp.linalg.norm(error.ravel()) / jnp.linalg.norm(dx.ravel()))
    print(f"10^-{power:<2}", *(f"{error:7.0e}" for error in errors), sep="   ")
given = {"x": certified.x, "cotangents": {"y": certified.v}, "wrt": ["x"]}
said = gradassay.check(lstm, config=certified.template.config, **certified.weights, **given)
print("jax.grad:", str(said).splitlines()[-1])
