"""Functions in processes of their own: fresh memory, and an environment that is read at the start.

    python -m benchmarks.child MODULE:FUNCTION

reads the function's arguments as a line of JSON.  It replies with what the function returns; or, if
that is a function itself, a contestant, calls it with each question that comes in, a line each, and
replies with what that returns.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from benchmarks import machine

ROOT = Path(__file__).parent.parent

# What PyTorch and FBGEMM gain most from; for everyone alike.  Freed memory is kept instead of being
# given back and faulted in again at each step, and PyTorch asks for huge pages as NumPy does.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "THP_MEM_ALLOC_ENABLE": "1",
}
# OpenMP threads that sleep at once, as lowprec asks them to, cost FBGEMM most of a small step, and
# those that spin for long, as is the default, hold up whatever else runs.  This does neither: it is
# for peers, and for whoever shares a process with them.
PEER_THREADS = {"GOMP_SPINCOUNT": "10000"}
_THREAD_SETTINGS = (
    "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip


class ChildError(RuntimeError):
    """A process that did not reply."""


def environment(threads: int, *, with_peers: bool = False) -> dict[str, str]:
    """This process's environment with the allocator's settings and a number of threads.

    Libraries that may use all processors are not told so: that is what they do by themselves.
    """
    limits = {} if threads == machine.cores() else dict.fromkeys(_THREAD_SETTINGS, str(threads))
    return {**(PEER_THREADS if with_peers else {}), **os.environ, **ALLOCATOR, **limits}


class Child:
    """A function running in a process of its own; leave its `with` block to end it.

    Processes inherit the environment of this one, which importing lowprec changes; so only those
    import it that use it.

    Attributes
    ----------
    result
        What the function returned; None for a contestant, which can be called.
    peak_memory : int
        Of the process, in bytes, until its last reply.
    """

    def __init__(
        self, target: str, arguments: dict[str, Any], environment: Mapping[str, str]
    ) -> None:
        self._target = target
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", target],
            cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.pid = self._process.pid
        self.peak_memory = 0
        try:
            self.result = self._ask(arguments)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, question: Any) -> Any:
        return self._ask(question)

    def close(self) -> None:
        """End the process; one that has replied does so by itself when it is told no more."""
        self._process.stdout.close()
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _ask(self, question: Any) -> Any:
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            reply = self._process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        if not reply:
            raise ChildError(f"{self._target} ended with {self._process.wait()}, see above")
        answer = json.loads(reply)
        self.peak_memory = answer["peak_memory"]
        return answer["result"]


def call(target: str, arguments: dict[str, Any], environment: Mapping[str, str]) -> Any:
    """What a function returns that runs in a process of its own."""
    with Child(target, arguments, environment) as child:
        return child.result


def serve(target: str, questions: IO[str], replies: IO[str]) -> None:
    """What the process does."""

    def reply(result: Any) -> None:
        answer = {"result": result, "peak_memory": machine.peak_memory()}
        print(json.dumps(answer), file=replies, flush=True)

    module, name = target.split(":")
    function = getattr(importlib.import_module(module), name)
    result = function(**json.loads(questions.readline()))
    if not callable(result):
        reply(result)
        return
    reply(None)
    for line in questions:
        reply(result(json.loads(line)))


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no reply
    serve(sys.argv[1], sys.stdin, out)
