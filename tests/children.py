"""Child processes of the tests: a fresh Python or a fork, what it answers, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECONDS = 300  # for an answer of a fork
# whose kernels need nothing that not every CPU of its kind has: on x86-64 no AVX, FMA and F16C
ANY_CPU = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


# --- a fresh Python ---


def start(*arguments, cwd=ROOT, paths=(), without=(), stderr=subprocess.PIPE, **environment):
    """Python with these arguments, in this process's environment, changed.

    It lacks the variables `without` and has those of `environment`; it finds this checkout's
    modules, and before them those in the folders `paths`.
    """
    kept = {name: value for name, value in os.environ.items() if name not in without}
    folders = [*map(str, paths), str(ROOT), kept.get("PYTHONPATH", "")]
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env={**kept, **environment}, stdout=subprocess.PIPE, stderr=stderr, text=True,
    )  # fmt: skip


def finish(child, status=0, timeout=900):
    """The end of a child and what it printed; any exit status is fine if `status` is None."""
    with child:
        try:
            out, errors = child.communicate(timeout=timeout)
        except BaseException:
            child.kill()
            raise
    assert status in (None, child.returncode), out[-20_000:] + (errors or "")[-5_000:]
    return subprocess.CompletedProcess(child.args, child.returncode, out, errors)


def run(*arguments, status=0, timeout=900, **options):
    """`start` and `finish`."""
    return finish(start(*arguments, **options), status, timeout)


def hangs(child, progress, seconds):
    """Waits for a child's end; whether it was killed as `progress()` was one value for so long."""
    last, since = progress(), time.monotonic()
    while child.poll() is None:
        time.sleep(0.05)
        if progress() != last:
            last, since = progress(), time.monotonic()
        elif time.monotonic() - since > seconds:
            child.kill()
            child.wait()
            return True
    return False


# --- a fork ---


class ChildError(Exception):
    """What a child raised, or that it ended without an answer."""


def forked(function, *arguments):
    """Runs a function in a child; (pid, what to read its word of being ready, and its answer)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            with os.fdopen(writer, "w", buffering=1) as out:
                try:
                    answer = function(*arguments, ready=lambda: print("ready", file=out))
                    print(json.dumps({"answer": answer}), file=out)
                    status = 0
                except BaseException:
                    print(json.dumps({"error": traceback.format_exc(limit=-4)}), file=out)
        finally:
            os._exit(status)
    os.close(writer)
    return pid, os.fdopen(reader)


def answer_of(pid, out):
    """What the child of `forked` returned."""
    alarm = threading.Timer(SECONDS, os.kill, (pid, signal.SIGKILL))
    alarm.start()
    lines = [line for line in out.read().splitlines() if line != "ready"]
    out.close()
    status = os.waitpid(pid, 0)[1]
    alarm.cancel()
    if not lines:
        raise ChildError(f"a child ended with status {status}, without a word")
    found = json.loads(lines[-1])
    if "error" in found:
        raise ChildError(found["error"])
    return found["answer"]


def in_child(function, *arguments):
    return answer_of(*forked(function, *arguments))


def kill_after(pid, out, seconds):
    """`kill -9` so long after the child was ready; whether it was still running."""
    out.readline()
    time.sleep(seconds)
    ended = os.waitpid(pid, os.WNOHANG)[0] == pid
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    out.close()
    return not ended
