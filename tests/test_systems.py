"""What Linux, macOS and Windows have in common is all that the package and the examples need.

One test looks through the sources for names that other systems lack; the others hide these names in
a child process, and train there.
"""

import ast
import sys

import pytest

from tests.children import run
from tests.conftest import ROOT

# --- the sources ---

MODULES = {
    "_posixsubprocess", "_signal", "_winapi", "crypt", "fcntl", "grp", "msvcrt", "nis", "posix",
    "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty", "winreg",
}  # fmt: skip
NAMES = {
    "os": {
        "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_NOFOLLOW", "chmod", "chown", "fchmod", "fork",
        "forkpty", "fsync", "getloadavg", "geteuid", "getuid", "kill", "killpg", "link", "mkfifo",
        "nice", "posix_fadvise", "posix_fallocate", "pread", "register_at_fork", "rename",
        "replace", "sched_getaffinity", "setsid", "startfile", "symlink", "sysconf", "umask",
        "uname", "waitpid",
    },
    "signal": {
        "SIGALRM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGSEGV", "SIGTERM", "SIGUSR1", "SIGUSR2",
        "SIGXFSZ", "alarm", "pthread_kill", "setitimer", "sigwait",
    },
    "time": {"clock_gettime", "tzset"},
}  # fmt: skip
METHODS = {"chmod", "hardlink_to", "symlink_to"}  # of paths
FOLDERS = ("/dev/", "/etc/", "/proc/", "/sys/", "/tmp/", "/usr/", "/var/")

# Where a name is guarded: by a look whether it is there, by what catches its absence, or by the
# system.  The tests below hide them all.
GUARDED = {
    "lowprec/interrupts.py": {"_signal"},
    "lowprec/cores.py": {"/proc/self/cgroup", "/sys/fs/cgroup", "os.sched_getaffinity"},
    "lowprec/threads.py": {"os.register_at_fork"},
    "lowprec/kernels/cpu/blas.py": {"/proc/self/maps"},
    "lowprec/kernels/cpu/contention.py": {"/proc/thread-self/schedstat"},
    "lowprec/kernels/names.py": {"os.register_at_fork"},
    "lowprec/kernels/storage.py": {"os.replace"},
    "lowprec/mapping/system.py": {
        "fcntl", "msvcrt", "os.fsync", "os.posix_fadvise", "os.posix_fallocate",
        "/proc/sys/kernel/random/boot_id",
    },
    "lowprec/files/system.py": {"os.chmod", "os.fsync", "os.replace"},
    "examples/processes.py": {"/proc/self/status", "resource"},
    "benchmarks/mapped.py": {"os.fsync", "os.posix_fadvise", "os.pread"},  # needs Linux, says so
    "benchmarks/machine.py": {
        "os.sysconf", "/proc/cpuinfo", "/proc/self/status", "/proc/", "/sys/devices/system/cpu",
        "/sys/kernel/mm",
    },
}  # fmt: skip
SOURCES = [
    path
    for folder in ("lowprec", "examples", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def bare_texts(tree):
    """The nodes of docstrings and the like: what they name is not used."""
    return {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}


def names_of_systems(source):
    """The names in a source that not every system has."""
    tree = ast.parse(source)
    told = bare_texts(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if node.module in MODULES:
                yield node.module
            for alias in node.names:
                if alias.name in NAMES.get(node.module, ()):
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute):
            home = getattr(node.value, "id", None)
            if node.attr in NAMES.get(home, ()):
                yield f"{home}.{node.attr}"
            elif home != "os" and node.attr in METHODS:
                yield node.attr
        elif id(node) not in told and isinstance(getattr(node, "value", None), str):
            yield from [node.value] if node.value.startswith(FOLDERS) else []


def unguarded(name, source):
    guarded = GUARDED.get(name, set())
    found = set(names_of_systems(source))
    folders = tuple(each for each in guarded if each.startswith("/"))
    return {each for each in found - guarded if not (folders and each.startswith(folders))}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sources_name_nothing_of_one_system(path):
    assert not unguarded(path.relative_to(ROOT).as_posix(), path.read_text())


@pytest.mark.parametrize("name", GUARDED)
def test_what_is_guarded_is_there(name):
    found = set(names_of_systems((ROOT / name).read_text()))
    for each in GUARDED[name]:
        assert any(other == each or (each[0] == "/" and other.startswith(each)) for other in found)


def test_names_of_one_system_are_seen():
    source = """
import resource, os
from signal import SIGKILL
from _signal import signal
def f(path):
    "/proc/self/status is no file that is opened here"
    os.sched_getaffinity(0); os.fork(); path.chmod(0o600)
    open("/proc/self/status")
    os.path.join("a", "b")
"""
    assert unguarded("lowprec/new.py", source) == {
        "resource", "signal.SIGKILL", "_signal", "os.sched_getaffinity", "os.fork", "chmod",
        "/proc/self/status",
    }  # fmt: skip


# --- a process that lacks them ---


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Runs code where the names are hidden, in its children too."""
    pytest.importorskip("fcntl", reason="the system is one where nothing need be hidden")
    pytest.importorskip("psutil", reason="comes with the extra `examples`")
    folder = tmp_path_factory.mktemp("elsewhere")
    code = "from tests import elsewhere\n\nelsewhere.hide()\n"
    (folder / "sitecustomize.py").write_text(code)
    paths = [folder, ROOT / "examples"]

    def run_there(code, *arguments):
        hides = "import os, sys\nassert not hasattr(os, 'fork')\n"
        return run("-W", "error", "-c", hides + code, *arguments, paths=paths).stdout

    return run_there


TRAINS = """
import signal
import numpy as np
import lowprec as lp
from lowprec import interrupts
assert interrupts.signal is signal.signal

table = lp.EmbeddingTable(10, 4, seed=3)
table.update([1, 3], table.lookup([1, 3]))
for _ in range(2):
    table.save("t.safetensors")
again = lp.load("t.safetensors", mmap=True)
assert (again.weight == table.weight).all()

with lp.EmbeddingTable(10, 4, seed=3, path="t.table") as in_file:
    in_file.prefetch([1, 3])
    in_file.update([1, 3], in_file.lookup([1, 3]))
    in_file.flush()
    assert (in_file.read(range(10)) == table.read(range(10))).all()
    assert in_file.stored_bytes

X, y, _ = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)

def interrupt(model, samples):
    if model.table_.step == 3:
        signal.raise_signal(signal.SIGINT)

def make():
    return lp.LogisticRegression([50, 20], batch_size=50, epochs=2)

try:
    make().fit(X, y, save=lp.Checkpoints("run"), callback=interrupt)
except KeyboardInterrupt as error:
    print(error.model.table_.step)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
model = make().fit(X, y, resume="run")
assert (model.table_.weight == make().fit(X, y).table_.weight).all()
print(sorted(os.listdir()), sorted(os.listdir("run")))
"""


def test_training_and_files(elsewhere, tmp_path):
    out = elsewhere(f"os.chdir(sys.argv[1])\n{TRAINS}", tmp_path)
    assert out == "3\n['run', 't.safetensors', 't.table'] ['step-000000000003.safetensors']\n"


def test_every_test_can_be_collected(elsewhere):
    """Those that need POSIX skip; none asks for it when it is imported."""
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    code = f"import pytest\nsys.exit(pytest.main({options}))"
    assert "error" not in elsewhere(code).splitlines()[-1]


MEASURES = """
import threading
import processes
from benchmarks import machine

def used():
    return processes.peak_memory()

curve = []
threading.Thread(target=processes.watch_memory, args=(0.01, curve), daemon=True).start()
kept = bytearray(50_000_000)
while len(curve) < 3:
    pass
seconds, resident, private = curve[-1]
assert 50_000_000 < private < resident, curve
assert processes.peak_memory() > 50_000_000
assert processes.run_in_child(processes.peak_memory) > 5_000_000
assert machine.peak_memory() > 50_000_000
assert machine.available_memory() > 0
before = machine.activity([os.getpid()])
about = machine.describe()
assert about["processors"] >= 1 and about["memory GB"] > 0
assert machine.disturbances(before, before) == []
"""


def test_what_examples_and_benchmarks_measure(elsewhere):
    assert elsewhere(MEASURES) == ""


def test_peak_memory_by_each_system(monkeypatch):
    """As Linux, Windows, macOS and others tell it."""
    psutil = pytest.importorskip("psutil", reason="comes with the extra `examples`")
    processes = pytest.importorskip("processes", reason="examples are on the path")
    kept = bytearray(30_000_000)
    told = {"here": processes.peak_memory()}

    class Memory:
        rss, peak_wset = 1, 7

    class Process:
        def memory_info(self):
            return Memory

    monkeypatch.setattr(processes.Path, "exists", lambda path: False)
    told["elsewhere"] = processes.peak_memory()
    monkeypatch.setattr(psutil, "Process", Process)
    assert processes.peak_memory() == 7
    monkeypatch.delattr(Memory, "peak_wset")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert processes.peak_memory() == 1
    assert all(len(kept) < each < 1e11 for each in told.values()), told


# --- what is loaded ---

LOADED = """
import sys
import numba
before = set(sys.modules)
import lowprec
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] in {packages}))
print(sorted(name for name in sys.modules if name.startswith("scipy.s")))
"""


def test_import_loads_no_scipy():
    """Beyond the version that Numba looks at; nor what else only some calls need."""
    packages = ("scipy", "safetensors", "tqdm", "pyarrow", "matplotlib", "psutil", "pandas")
    assert run("-c", LOADED.format(packages=packages)).stdout == "[]\n[]\n"
