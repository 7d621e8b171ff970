"""What CUDA kernels compile to, on machines without a GPU: see `tests.kernels.ptx`."""

import json
import os

import pytest

from lowprec.formats.entries import FORMATS
from tests.children import run

CAPABILITIES = ["8.0", "9.0", "10.0"]
ROW_KERNELS = {
    "_pack", "_sum_and_check", "_update_rows", "_round",
}  # fmt: skip
# Those that write float32, four columns a thread; of others, a thread takes eight.
BY_FOUR = {"_gather", "_gather_to", "_pool"}
# The only products that are rounded by themselves.  None of them is an operand of a sum, which the
# assembler would fuse with it: they scale numbers whose bits are taken next, decode 8-bit formats
# (exactly, by a power of 2), bound, or are inside of exp and log1p.
MULTIPLY = {
    "_fill_rows", "_fill_uniform", "_pack_and_guard", "_logistic_loss", "_round_up_probability"
}  # fmt: skip
DECODE_BY_MULTIPLYING = {fmt.name for fmt in FORMATS if fmt.storage.itemsize == 1}
# The loop of `_pool` is unrolled, to have many rows under way.  `_update_rows` takes any rule: 98
# registers for FTRL on sm_100, 64 or fewer for SGD in float16.
MOST_REGISTERS = {"_pool": 80, "_update_rows": 104}


@pytest.fixture(scope="module")
def report():
    hidden = ("NUMBA_ENABLE_CUDASIM", "LOWPREC_TEST_DEVICE")
    command = ("-m", "tests.kernels.ptx", *CAPABILITIES)
    done = run(*command, status=None, timeout=None, without=hidden)
    if done.returncode == 77:
        reason = json.loads(done.stdout.splitlines()[-1])["skip"]
        if os.environ.get("LOWPREC_REQUIRE_PTX") == "1":
            pytest.fail(f"LOWPREC_REQUIRE_PTX=1, but {reason}")
        pytest.skip(f"CUDA kernels cannot be compiled here: {reason}")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_kernel_is_there(report):
    from lowprec.kernels.cuda import launch

    compiled = {entry["kernel"] for entry in report["kernels"]}
    assert compiled == set(launch.KERNELS)
    assert len(compiled) > 15
    assert {tuple(entry["capability"]) for entry in report["kernels"]} == {(8, 0), (9, 0), (10, 0)}


def test_nothing_but_registers_and_global_memory(report):
    for entry in report["kernels"]:
        assert entry["local"] == entry["calls"] == 0, entry


def test_no_double_precision(report):
    for entry in report["kernels"]:
        if entry["catches_up"]:  # sums of logarithms of many steps: one difference a row
            assert entry["f64"] <= 8, entry
        elif entry["kernel"] != "_round_up_probability":  # whose result it is
            assert entry["f64"] == 0, entry


def test_subnormals_are_kept(report):
    """No kernel flushes them to zero, but for the approximate parts of exp and log1p."""
    for entry in report["kernels"]:
        if entry["kernel"] != "_logistic_loss":
            assert entry["flushes"] == 0, entry


def test_sums_of_products_are_fused_by_us(report):
    """Where it is left to the assembler, the CPU would round otherwise."""
    for entry in report["kernels"]:
        if entry["kernel"] not in MULTIPLY and entry["format"] not in DECODE_BY_MULTIPLYING:
            # a step of Adagrad and Adam is a product that is divided, not added
            assert entry["bare_mul"] <= entry["divisions"], entry
    fused = {entry["kernel"] for entry in report["kernels"] if entry["fma"]}
    assert {"_update_rows", "_pool", "_sum_and_check", "_dot_backward"} <= fused


def test_no_integer_is_divided(report):
    """Of 64 bits, a division takes a hundred instructions: more than most kernels have."""
    for entry in report["kernels"]:
        assert entry["integer_divisions"] == 0, entry


def test_rows_move_by_128_bits(report):
    for entry in report["kernels"]:
        if entry["kernel"] in BY_FOUR:
            # one for 4 columns of float32; those of 16 bits are 64 bits
            assert entry["wide"] >= (2 if entry["format"] == "float32" else 1), entry
        elif entry["kernel"] in ROW_KERNELS:
            # two for 8 columns of float32, and one for those of 16 bits; 8 of 8 bits are 64 bits
            assert entry["wide"] >= (2 if entry["format"].startswith("float8") else 3), entry


def test_machine_code(report):
    for entry in report["kernels"]:
        assert entry["stack"] == 0, entry  # nor is anything spilled to it
        assert entry["registers"] <= MOST_REGISTERS.get(entry["kernel"], 64), entry


def test_kernels_are_given_what_they_take(report):
    for entry in report["kernels"]:
        assert entry["named"], entry
        assert entry["given"] == entry["parameters"], entry
        # what the driver of a GPU takes in all, each number at a multiple of its own size
        assert 8 * len(entry["given"]) <= 4096, entry
