"""Makes a process like one of a system that is not POSIX: hides what such systems lack.

For child processes of the tests, which import it before all else, and so do their own children: see
`tests.test_systems`.  What Python's own libraries need under this system stays.
"""

import builtins
import io
import mmap
import os
import signal
import sys
import types

MODULES = ("_signal", "fcntl", "grp", "pwd", "resource", "syslog", "termios")
OF_OS = (
    "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_NOFOLLOW", "chown", "fchmod", "fork", "forkpty",
    "getloadavg", "geteuid", "getpgid", "mkfifo", "nice", "posix_fadvise", "posix_fallocate",
    "pread", "register_at_fork", "sched_getaffinity", "setsid", "sysconf",
)  # fmt: skip
OF_MMAP = ("MADV_RANDOM", "MADV_WILLNEED")
OF_SIGNAL = ("SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "pthread_kill", "setitimer")
FOLDERS = ("/proc", "/sys", "/dev/shm")


def hide():
    """Hide them in this process."""
    import asyncio
    import fcntl
    import subprocess  # it and these have begun with what is hidden
    import tempfile
    import threading
    import zipfile

    import psutil

    assert all((asyncio, subprocess, tempfile, threading, zipfile))
    control = fcntl.fcntl, fcntl.F_GETFL
    for name in MODULES:
        sys.modules[name] = None
    for place, names in ((os, OF_OS), (mmap, OF_MMAP), (signal, OF_SIGNAL)):
        for name in names:
            if hasattr(place, name):
                delattr(place, name)

    # what Windows has for locks, of which this program has no two
    locks = types.ModuleType("msvcrt")
    locks.LK_NBLCK, locks.LK_UNLCK, locks.locking = 2, 0, lambda handle, mode, nbytes: None
    sys.modules["msvcrt"] = locks

    def of_psutil():
        """psutil knows the system, and stands for what it does elsewhere."""
        frame = sys._getframe(2)
        while frame:
            if frame.f_globals.get("__name__", "").startswith("psutil"):
                return True
            frame = frame.f_back
        return False

    def hidden(path):
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(FOLDERS)

    def without_folders(function):
        def found(path=".", *arguments, **options):
            if hidden(path) and not of_psutil():
                raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
            return function(path, *arguments, **options)

        return found

    builtins.open = io.open = without_folders(io.open)
    for name in ("stat", "listdir", "scandir"):
        setattr(os, name, without_folders(getattr(os, name)))
    open_handle, flush = os.open, os.fsync

    def open_files(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return open_handle(path, *arguments, **options)

    def flush_written(handle):
        if control[0](handle, control[1]) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        flush(handle)

    os.open, os.fsync = open_files, flush_written
    assert psutil.Process().memory_info().rss
