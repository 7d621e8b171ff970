"""Matrix products of the array library, of one part whatever the samples are."""


def weighted_sum(x, factors, out):
    """``factors @ x`` into `out` (in,); x (B, in), factors (B,)."""
    out[...] = (x.T @ factors[:, None])[:, 0]


def add_parts(parts):
    """The sum of what all parts gave (parts, ...), of which there is one."""
    assert len(parts) == 1
    return parts[0]


def samples_of_part(samples):
    """How many samples a part of so many has: all."""
    return samples
