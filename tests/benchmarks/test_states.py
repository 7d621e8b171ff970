"""States in bfloat16 beside float32, in few updates."""

from benchmarks import states


def test_compare(capsys):
    states.main(["--updates", "100"])
    assert "Adagrad's sum   bfloat16, nearest" in capsys.readouterr().out
    found = states.compare(2000)
    for ratios in found.values():
        assert ratios["float32"] == (1.0, 0.0)
        # four standard errors of 1,000 weights
        mean, deviation = ratios["bfloat16, stochastic"]
        assert abs(mean - 1) < 4 * deviation / 1000**0.5
    assert found["Adagrad's sum"]["bfloat16, nearest"][0] < 0.2
