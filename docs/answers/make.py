"""Makes docs/answers.md: python docs/answers/make.py.

An answer is a text and a few scripts. Every script is run, in a process of its own; it stands on the page with what it
printed. A text says where:

    <!-- run: NAME.py -->       the script and its output
    <!-- output: NAME.py -->    its output alone
    ```console                  a command, with its output
    $ gradassay verify ...
    ```
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = HERE.parent / "answers.md"
PICTURE = HERE.parent / "images" / "finite-differences.svg"

ANSWERS = (
    *(
        "input_gradient",
        "shapes",
        "cell",
        "clipping",
        "one_to_many",
        "jacobian",
        "finite_differences",
    ),
    *("port", "double_backward", "truncated", "none"),
)
MADE_WITH = {"torch": "torch", "TensorFlow": "tensorflow", "Keras": "keras", "JAX": "jax"}

PLACE = re.compile(r"^<!-- (run|output): (\S+) -->$", re.MULTILINE)
COMMAND = re.compile(r"^```console\n\$ (.+)\n```$", re.MULTILINE)
HEADING = re.compile(r"\A# (.+)\n")

Run = Callable[[Sequence[str]], Mapping[str, str]]


def answer(name: str) -> str:
    """Return the text of an answer, as it was written."""
    return (HERE / f"{name}.md").read_text(encoding="utf-8")


def scripts(text: str) -> list[str]:
    """Return the scripts that a text asks for, each once, in order."""
    return list(dict.fromkeys(name for _, name in PLACE.findall(text)))


def commands(text: str) -> list[str]:
    return list(dict.fromkeys(COMMAND.findall(text)))


def page(run: Run, shell: Run) -> str:
    """Return the page.

    Args:
        run: returns what scripts print, by file name.
        shell: returns what commands print.
    """
    texts = {name: answer(name) for name in ANSWERS}
    whole = "\n".join(texts.values())
    printed, said = run(scripts(whole)), shell(commands(whole))
    titles = {name: heading[1] for name, text in texts.items() if (heading := HEADING.match(text))}
    parts = [_head(titles)]
    for name, title in titles.items():
        body = HEADING.sub("", texts[name])
        body = PLACE.sub(lambda found: _shown(found[1], found[2], printed[found[2]]), body)
        body = COMMAND.sub(lambda found: f"```console\n$ {found[1]}\n{said[found[1]]}```", body)
        body = body.replace("(#CELL)", f"(#{anchor(titles['cell'])})")
        parts.append(f"## {title}\n{body}")
    return "\n".join(parts)


def _head(titles: Mapping[str, str]) -> str:
    packages = ", ".join(f"{name} {version(package).partition('+')[0]}" for name, package in MADE_WITH.items())
    listed = "".join(f"{i}. [{title}](#{anchor(title)})\n" for i, title in enumerate(titles.values(), 1))
    return (
        "<!-- made by docs/answers/make.py from what is beside it: edit that -->\n"
        "# Answers\n\n"
        "Questions that people ask about gradients of LSTMs, answered with code that runs. What it printed is below\n"
        f"it, on a CPU with {packages}. A test runs\n"
        "all of it again. B is the batch, T the number of steps, N the width of the input, H that of the state;\n"
        "sequences are (B, T, N), batch first. Noise units are explained in [verdict.md](verdict.md).\n\n"
        f"{listed}"
    )


def anchor(title: str) -> str:
    """Return the fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _shown(kind: str, name: str, printed: str) -> str:
    code = f"```python\n{(HERE / name).read_text(encoding='utf-8')}```\n" if kind == "run" else ""
    return f"{code}```text\n{printed}```"


def environment() -> dict[str, str]:
    """Return an environment in which the frameworks say little, and the commands of this Python come first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


def output(command: Sequence[str]) -> str:
    """Return what a command prints in the folder of the answers.

    Raises:
        RuntimeError: if it fails; the message has what it said.
    """
    done = subprocess.run(command, cwd=HERE, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def alone(names: Sequence[str]) -> dict[str, str]:
    """Run each script in a process of its own."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(lambda name: output([sys.executable, name]), names), strict=True))


def in_shell(lines: Sequence[str]) -> dict[str, str]:
    return {line: output(["bash", "-o", "pipefail", "-c", line]) for line in lines}


def main() -> None:
    sys.path[:0] = [str(ROOT), str(HERE)]
    from finite_differences import curves
    from picture import drawn

    PICTURE.write_text(drawn(curves()), encoding="utf-8")
    PAGE.write_text(page(alone, in_shell), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
