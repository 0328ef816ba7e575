"""An LSTM for JAX, which has none: names, shapes and gate order (i, f, g, o) of `torch.nn.LSTM`, batch first."""

import jax
import jax.numpy as jnp


def draw(key, N, H):
    """Return weight_ih (4H, N), weight_hh (4H, H) and two biases (4H,), uniform within 1 / sqrt(H)."""
    shapes = {
        "weight_ih": (4 * H, N),
        "weight_hh": (4 * H, H),
        "bias_ih": (4 * H,),
        "bias_hh": (4 * H,),
    }
    keys = dict(zip(shapes, jax.random.split(key, 4), strict=True))
    return {f"{n}_l0": jax.random.uniform(keys[n], s, minval=-(H**-0.5), maxval=H**-0.5) for n, s in shapes.items()}


@jax.jit
def lstm(parameters, inputs):
    """Return y (B, T, H), h_n and c_n (1, B, H) of x (B, T, N) and, if given, h0 and c0 (1, B, H)."""
    w, u, b, d = (parameters[f"{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    zeros = jnp.zeros((len(inputs["x"]), u.shape[1]), inputs["x"].dtype)
    h, c = (
        inputs["h0"][0] if "h0" in inputs else zeros,
        inputs["c0"][0] if "c0" in inputs else zeros,
    )

    def step(state, x):
        h, c = state
        i, f, g, o = jnp.split(x @ w.T + h @ u.T + b + d, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, c), y = jax.lax.scan(step, (h, c), inputs["x"].swapaxes(0, 1))
    return {"y": y.swapaxes(0, 1), "h_n": h[None], "c_n": c[None]}
