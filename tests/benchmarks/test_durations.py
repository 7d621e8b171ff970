"""The durations of examples: of fresh processes, with the limit held, and failures said."""

import pytest

from benchmarks import durations


def script(folder, name, text):
    (folder / f"{name}.py").write_text(text)


def test_every_example_is_measured(root):
    scripts = {path.stem for path in (root / "examples").glob("*.py")}
    runnable = {s for s in scripts if "__main__" in (root / f"examples/{s}.py").read_text()}
    needs_more = {"adult", "sharded"}  # its data, and MPI, which is no part of the extra `examples`
    assert set(durations.EXAMPLES) == runnable - needs_more


def test_one_that_takes_too_long(tmp_path, capsys):
    script(tmp_path, "quick", "import os\nassert os.path.isabs(os.environ['NUMBA_CACHE_DIR'])\n")
    script(tmp_path, "slow", "import time\ntime.sleep(0.2)\n")
    arguments = ["--folder", str(tmp_path), "quick", "slow"]
    assert durations.main(arguments) == 0
    assert "too long" not in capsys.readouterr().out
    assert durations.main([*arguments, "--limit", "0"]) == 1
    assert capsys.readouterr().out.count("too long") == 2


def test_one_that_fails(tmp_path):
    script(tmp_path, "broken", "raise SystemExit('no such option')\n")
    with pytest.raises(RuntimeError, match=r"broken\.py failed:\s+no such option"):
        durations.main(["--folder", str(tmp_path), "broken"])
