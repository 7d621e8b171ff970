"""What a step spends outside its kernels."""

from benchmarks import steps
from lowprec.kernels.cpu import dense, launch


def test_every_kernel_of_a_step_is_counted(capsys):
    steps.main(["--rounds", "4", "--rows", "50"])
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "|" in line]
    found = {
        (line[0].strip(), line[1].strip()): [each.strip() for each in line[2:]]
        for line in lines[2:]
    }
    # two networks, each way; standardised, found, looked up, joined and back, the loss, looked
    # through, sorted, the largest, the table and the layers
    assert {key: int(line[0]) for key, line in found.items()} == {
        **{("logistic", size): 10 for size in ("128", "512", "2,048")},
        **{
            (f"DLRM, layers of {n}", s): 15
            for n in ("64", "512 and 256")
            for s in ("128", "512", "2,048")
        },
        ("DLRM of 2 features and 2 units", "2"): 14,
    }
    for line in found.values():
        seconds, kernels = float(line[1]), float(line[2].replace(",", ""))
        assert 0 < kernels < 10 * seconds * 1e3
    assert dense.launch is launch.launch
