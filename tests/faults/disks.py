"""Disks that are full, and folders that cannot be written."""

import contextlib
import os
import signal
import subprocess

import numpy as np

import lowprec as lp
from tests.children import in_child
from tests.faults.files import is_readable, left_over, lp_files
from tests.faults.promises import Skip, check, refused
from tests.faults.training import big_table, make_model, samples, whole_training


@contextlib.contextmanager
def mounted(folder, *options):
    """A mount on a folder; Skip where that is not permitted."""
    folder.mkdir(exist_ok=True)
    try:
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
    except FileNotFoundError:
        raise Skip("there is no mount command") from None
    if done.returncode != 0:
        raise Skip(f"mounting is not permitted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill_the_disk(folder, ready):
    """A save and a training that find no room leave what was there."""
    path, home = folder / "t.safetensors", folder / "run"
    lp.EmbeddingTable(10, 4).save(path)
    before = path.read_bytes()
    refused(lambda: big_table(1).save(path))
    check(path.read_bytes() == before, "the old file changed")
    home.mkdir()
    save = lp.Checkpoints(home, every_batches=1, keep=10_000)  # which the disk cannot hold
    refused(lambda: make_model().fit(*samples(), save=save))
    check(lp_files(home), "no file was written before the disk was full")
    check(all(is_readable(home / name) for name in lp_files(home)), "a file is not whole")
    check(left_over(folder) == left_over(home) == {"temporary files left": 0}, "files are left")


def fill_the_disk_by_a_table(path, ready):
    """Steps of rows in ever more pages of a table's file: the one that finds no room is none."""
    rows = 100_000
    twin, table = (
        lp.EmbeddingTable(rows, 16, seed=1),
        lp.EmbeddingTable(rows, 16, seed=1, path=path),
    )

    def steps():
        while True:
            ids = np.random.default_rng(table.step).integers(0, rows, 5)
            table.update(ids, np.ones((5, 16), np.float32))
            twin.update(ids, np.ones((5, 16), np.float32))

    for _ in "ab":
        refused(steps)
        check(table.step == twin.step > 0, f"step {table.step} of {twin.step}")
        check((table.read(range(rows)) == twin.weight).all(), "the bits are others")
        table.close()
        table = lp.EmbeddingTable(rows, 16, seed=1, path=path)


def go_on_elsewhere(home, end, ready):
    make_model().fit(*samples(), resume=home).save(end)
    check(end.read_bytes() == whole_training(folder=end.parent), "the bits are others")


def full_disk(folder, rng):
    with mounted(folder / "disk", "-t", "tmpfs", "-o", "size=512k", "tmpfs") as disk:
        in_child(fill_the_disk, disk)
        in_child(go_on_elsewhere, disk / "run", folder / "end.safetensors")
    with mounted(folder / "other", "-t", "tmpfs", "-o", "size=512k", "tmpfs") as disk:
        in_child(fill_the_disk_by_a_table, disk / "big.table")


def limit_of_file_size(folder, rng):
    import resource  # here, as the module is not on all systems

    def child(ready):
        path = folder / "t.safetensors"
        lp.EmbeddingTable(10, 4).save(path)
        before, table = path.read_bytes(), big_table(1)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        refused(lambda: table.save(path))
        check(path.read_bytes() == before, "the old file changed")
        check(os.listdir(folder) == [path.name], "files are left")

    in_child(child)


def read_only_folder(folder, rng):
    source = folder / "source"
    source.mkdir()
    in_child(lambda ready: lp.EmbeddingTable(10, 4).save(source / "t.safetensors"))
    before = (source / "t.safetensors").read_bytes()
    with mounted(folder / "view", "--bind", source) as view:
        options = ["mount", "-o", "remount,bind,ro", view]
        if subprocess.run(options, capture_output=True).returncode != 0:
            raise Skip("mounting read-only is not permitted")

        def child(ready):
            refused(lambda: big_table(1).save(view / "t.safetensors"))
            save = lp.Checkpoints(view / "run")
            refused(lambda: make_model().fit(*samples(), save=save))
            lp.load(view / "t.safetensors")

        in_child(child)
    check((source / "t.safetensors").read_bytes() == before, "the old file changed")
    check(os.listdir(source) == ["t.safetensors"], "files are left")


def file_in_place_of_a_folder(folder, rng):
    def child(ready):
        path = folder / "file"
        path.write_bytes(b"mine")
        refused(lambda: big_table(1).save(path / "t.safetensors"))
        refused(lambda: make_model().fit(*samples(), save=lp.Checkpoints(path)))
        check(path.read_bytes() == b"mine", "the file changed")

    in_child(child)
