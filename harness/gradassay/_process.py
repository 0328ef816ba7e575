"""A session whose backend runs in a process of its own, spawned and with a deadline; or, for debuggers, in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from gradassay import _plugins
from gradassay._frame import FrameError, copies, decode, encode, read_frame, write_frame
from gradassay._session import Answer as Answer
from gradassay._session import BackendError as BackendError
from gradassay._session import Reply
from gradassay._session import Session as Session

if TYPE_CHECKING:
    from gradassay._backend import Backend
    from gradassay._spec import Tensors
    from gradassay._worker import Worker

TAIL = 8192  # bytes kept of what a process wrote to stderr
FAREWELL = 5.0  # seconds in which a process that was asked to end may do so
COLLAPSE = 2.0  # seconds in which one whose pipe has ended should have


class EnvironmentWarning(UserWarning):
    """In this process it is too late for a variable that the backend wants: its framework is imported already."""


def open_session(
    backend_name: str, environment: Mapping[str, str], deadline_s: float = 120.0, in_process: bool = False
) -> Session:
    """Return a session with a backend: an installed one by name, or one at "module:object".

    Args:
        environment: variables set before anything is imported there, on top of this process' own.
        deadline_s: seconds that one request may take, the import of the framework included; in this process
            there is none.
        in_process: run the backend here. A crash or an exit then ends this process.
    """
    if in_process:
        return InProcess(backend_name, environment)
    return Spawned(backend_name, environment, deadline_s)


class Spawned(Session):
    """A backend in a process of its own, started by the first request."""

    def __init__(self, backend: str, environment: Mapping[str, str], deadline_s: float) -> None:
        super().__init__(backend)
        self._environment, self._deadline = dict(environment), deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._tail: Tail | None = None

    def _start(self) -> None:
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            # -P: the working directory is not on the path, where a folder may be called as a framework is.
            [sys.executable, "-P", "-m", "gradassay._worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self._environment,
            start_new_session=True,  # what it starts is killed with it; Ctrl-C is for us alone
        )
        self._tail = Tail(_pipe(self._process.stderr))
        try:
            self._ask({"request": "open", "backend": self.backend, "path": sys.path}, {})
        except BackendError:
            self.close()
            raise

    def _exchange(self, request: bytes) -> bytes:
        assert self._process is not None
        process, expired = self._process, threading.Event()

        def expire() -> None:
            expired.set()
            kill(process)

        # Killing ends a blocked write as well as a blocked read: neither pipe needs a time limit of its own.
        watchdog = threading.Timer(self._deadline, expire)
        watchdog.start()
        blob, trouble = None, "its pipe was closed"
        try:
            write_frame(_pipe(process.stdin), request)
            blob = read_frame(_pipe(process.stdout))
        except (BrokenPipeError, FrameError) as error:
            trouble = str(error)
        except BaseException:  # interrupted: a late answer would be taken for the next request's
            kill(process)
            self._end(COLLAPSE)
            raise
        finally:
            watchdog.cancel()
            watchdog.join()
        if blob is not None:
            return blob
        status, tail = self._end(COLLAPSE)
        if expired.is_set():
            raise BackendError("timeout", f"{self.backend} gave no answer in {self._deadline:g} s and was killed", tail)
        if status is None:
            raise BackendError("malformed", f"{self.backend} sent what is no frame: {trouble}", tail)
        raise BackendError("crash", f"the process of {self.backend} {outcome(status)}", tail)

    def anew(self) -> Session:
        return Spawned(self.backend, self._environment, self._deadline)

    def close(self) -> None:
        if self._process is not None:
            _close(self._process.stdin)  # no more requests: it ends
            self._end(FAREWELL)

    def _end(self, patience: float) -> tuple[int | None, str]:
        """Wait for the process to end, or else kill it; return its status if it had one, and its last words."""
        if self._process is None or self._tail is None:
            return None, ""
        process, tail, self._process, self._tail = self._process, self._tail, None, None
        self._present.clear()
        try:
            status: int | None = process.wait(patience)
        except subprocess.TimeoutExpired:
            status = None
        kill(process)  # or what it started and left behind
        process.wait()
        _close(process.stdin)
        _close(process.stdout)
        return status, tail.text()


class InProcess(Session):
    """A backend in this very process, for debuggers: breakpoints work, and nothing has a deadline."""

    def __init__(self, backend: str, environment: Mapping[str, str]) -> None:
        super().__init__(backend)
        self._environment = dict(environment)
        self._worker: Worker | None = None
        self._replaced: dict[str, str | None] = {}  # this process' own values, to be put back

    def _start(self) -> None:
        # Imported here, so that the worker's `python -m` finds its module not imported yet.
        from gradassay._worker import Worker

        if self._worker is not None:
            return
        late = {name: value for name, value in self._environment.items() if os.environ.get(name) != value}
        if late and (imported := _imported(self.backend)):
            settings = ", ".join(f"{name}={value}" for name, value in late.items())
            warnings.warn(
                f"{self.backend} wants {settings}, but {', '.join(imported)} is already imported here and may have "
                "read its environment: set it before Python starts, or run without in_process",
                EnvironmentWarning,
                stacklevel=4,
            )
        self._replaced = {name: os.environ.get(name) for name in late}
        os.environ |= late
        self._worker = Worker()
        try:
            self._ask({"request": "open", "backend": self.backend, "path": []}, {})
        except BackendError:
            self.close()
            raise

    def _exchange(self, request: bytes) -> bytes:
        from gradassay._worker import failure

        assert self._worker is not None
        try:
            return encode(*self._worker.answer(*decode(request)))
        except Exception as error:  # a backend may raise anything; a debugger finds it as the cause
            raise failure(error) from error

    def anew(self) -> Session:
        return InProcess(self.backend, self._environment)

    def close(self) -> None:
        for name, value in self._replaced.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        self._replaced, self._worker = {}, None
        self._present.clear()


class Local(InProcess):
    """A backend that is an object of this process already, such as a simulated one."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.name, backend.environment())
        self._object = backend

    def anew(self) -> Session:
        return Local(self._object)

    def _start(self) -> None:
        from gradassay._worker import Worker

        if self._worker is None:
            self._worker = Worker(self._object)

    def _ask(self, metadata: Mapping[str, Any], tensors: Tensors) -> Reply:
        """Ask without frames: what crosses is copied, as by a frame, and has the dtypes of one."""
        from gradassay._worker import failure

        assert self._worker is not None
        try:
            answer, arrays = self._worker.answer(metadata, copies(tensors))
            return answer, copies(arrays)
        except Exception as error:  # a backend may raise anything; a debugger finds it as the cause
            raise failure(error) from error


class Tail:
    """The last bytes of a stream, drained all the time so that its writer never waits."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 65536):
                self._kept = (self._kept + chunk)[-TAIL:]

    def text(self) -> str:
        self._thread.join(COLLAPSE)  # a grandchild in a session of its own may hold the stream open
        return self._kept.decode(errors="replace")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and whatever it started; both may be gone."""
    if not hasattr(os, "killpg"):  # Windows has no process groups like these
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # none is left; macOS says so of zombies in the second way
        os.killpg(process.pid, signal.SIGKILL)


def outcome(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # real-time signals have no names
        return f"was killed by signal {-status}"


def _imported(backend: str) -> list[str]:
    """Return the modules, imported already, that the backend's environment may be meant for."""
    plugin = _plugins.find("backend", backend)
    wanted = plugin.frameworks() if plugin.version else (plugin.distribution,)
    return [module for module in wanted if module in sys.modules]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # every one was asked for as a pipe
    return stream


def _close(stream: IO[bytes] | None) -> None:
    with suppress(BrokenPipeError):  # an unread request remains in it
        _pipe(stream).close()
