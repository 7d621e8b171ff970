"""Child processes of the tests: forked, asked for an answer, killed."""

import json
import os
import signal
import threading
import time
import traceback

SECONDS = 300  # for anything


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
