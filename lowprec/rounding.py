"""Rounding float32 arrays into storage formats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.checks import check_int, check_seed
from lowprec.device import Device, get_device
from lowprec.formats.entries import storage_dtype
from lowprec.kernels.keys import stream_key
from lowprec.scalar.xorshift import STREAM_ROUND
from lowprec.typing import DeviceName, Storage

_MAX_NUMBERS = 2**63 - 2**20  # of a flat array, with room to round up


def stochastic_round(
    x: ArrayLike, dtype: Storage, seed: int = 0, device: DeviceName = "cpu", *, first: int = 0
) -> NDArray[Any]:
    """Round float32 numbers to one of their two neighbours at random, without bias.

    A number between two neighbours goes to the upper one with a probability equal to its relative
    distance from the lower one, so the expected result is `x`.  A representable number never
    changes.  The Notes bound the error of the mean for the smallest numbers.

    Parameters
    ----------
    x : array_like of float32
        The numbers, of any shape.
    dtype : str or dtype
        ``"float16"``, ``"bfloat16"``, ``"float8_e4m3fn"``, ``"float8_e5m2"``, ``"float8_e3m4"`` or
        ``"float32"``.
    seed : int, default 0
        In [0, 2**64).  The random bits depend only on (seed, flat index).
    device : {"cpu", "cuda"}, default "cpu"
        Where to compute.  On ``"cuda"`` the result is an array on the GPU, and `x` may be one.
    first : int, default 0
        The flat index of the first number, where `x` is part of a larger array: the parts are then
        rounded as the whole is.  Index and size together are below 2**63 - 2**20.

    Returns
    -------
    ndarray
        Of the storage dtype and the shape of `x`.

    Raises
    ------
    TypeError
        If `x` is not float32 (a silent cast would round twice), or `seed` or `first` is not an int.
    ValueError
        If `dtype` is not a storage format, or `seed` or `first` is out of range.
    RuntimeError
        If the device cannot be used.

    Notes
    -----
    Finite numbers out of range saturate; inf stays inf (``float8_e4m3fn`` has none and gives NaN),
    NaN stays NaN, and -0.0 keeps its sign.  Probabilities are multiples of 2**-13 for float16,
    2**-16 for bfloat16, and 2**-19 to 2**-21 for the 8-bit formats.  They are exact for normal
    results, and rounded to the nearest multiple for subnormal ones; `round_up_probability` returns
    them.  So the mean of a subnormal result is off by at most half a multiple of the smallest
    subnormal number, and numbers of at most this size always become 0: 2**-38 for float16 and
    ``float8_e5m2``, 2**-30 for ``float8_e4m3fn``, 2**-26 for ``float8_e3m4``, and 0 for bfloat16.

    Stochastic rounding goes back to Forsythe ("Round-off errors in numerical integration on
    automatic machinery", 1950); training with tables stored like this is
    from Zhang, Yang and Yuen, "Training with Low-precision Embedding Tables" (Systems for ML
    workshop, NeurIPS 2018).  The random bits are those of KWX32 (``docs/random-bits.md``).

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> x = np.full(100_000, 1.0 + 2.0**-12, np.float32)  # a quarter of the way to 1 + 2**-10
    >>> h = lp.stochastic_round(x, "float16", seed=0)
    >>> bool(abs(np.mean(h > 1.0) - 0.25) < 0.01)
    True
    """
    where = get_device(device)
    values = where.check_float32("x", x)
    out, words = _output(where, values.shape, dtype)
    key = stream_key(check_seed(seed), STREAM_ROUND, 0)
    check_int("first", first, low=0, high=_MAX_NUMBERS - values.size)
    where.kernels.round_stochastic(values.reshape(-1), key, words, int(first))
    return out


def nearest_round(x: ArrayLike, dtype: Storage, device: DeviceName = "cpu") -> NDArray[Any]:
    """Round float32 numbers to the nearest representable one, ties to even.

    Parameters
    ----------
    x : array_like of float32
        The numbers, of any shape.
    dtype : str or dtype
        As for `stochastic_round`.
    device : {"cpu", "cuda"}, default "cpu"
        Where to compute.  On ``"cuda"`` the result is an array on the GPU, and `x` may be one.

    Returns
    -------
    ndarray
        Of the storage dtype and the shape of `x`.  Equal to the cast of NumPy or ml_dtypes, except
        that finite numbers out of range saturate.

    Raises
    ------
    TypeError
        If `x` is not float32.
    ValueError
        If `dtype` is not a storage format.
    RuntimeError
        If the device cannot be used.

    Notes
    -----
    IEEE 754 ``roundTiesToEven``, with saturation.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> lp.nearest_round(np.array([1.0001, 70000.0], np.float32), "float16")
    array([1.00e+00, 6.55e+04], dtype=float16)
    """
    where = get_device(device)
    values = where.check_float32("x", x)
    out, words = _output(where, values.shape, dtype)
    where.kernels.round_nearest(values.reshape(-1), words)
    return out


def round_up_probability(
    x: ArrayLike, dtype: Storage, device: DeviceName = "cpu"
) -> NDArray[np.float64]:
    """The exact probability that `stochastic_round` goes to the neighbour towards +inf.

    Parameters
    ----------
    x : array_like of float32
        The numbers, of any shape.
    dtype : str or dtype
        As for `stochastic_round`.
    device : {"cpu", "cuda"}, default "cpu"
        Where to compute.  On ``"cuda"`` the result is an array on the GPU, and `x` may be one.

    Returns
    -------
    ndarray of float64
        Of the shape of `x`; 0 where `x` is representable, inf or NaN.  A number below the most
        negative finite one saturates upwards, so its probability is 1.

    Raises
    ------
    TypeError
        If `x` is not float32.
    ValueError
        If `dtype` is not a storage format.
    RuntimeError
        If the device cannot be used.

    Notes
    -----
    Probabilities are multiples of the probability of one draw.  Tiny numbers, which always become 0
    (`stochastic_round` has their sizes), have the probability 0, or 1 if they are negative.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> lp.round_up_probability(np.array([1.0, 1.0 + 2.0**-12], np.float32), "float16")
    array([0.  , 0.25])
    """
    where = get_device(device)
    values = where.check_float32("x", x)
    _, words = _output(where, (1,), dtype)
    out: NDArray[np.float64] = where.xp.empty(values.shape, np.float64)
    where.kernels.round_up_probability(values.reshape(-1), words, out.reshape(-1))
    return out


def _output(
    device: Device, shape: tuple[int, ...], dtype: Storage
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A new array in the storage dtype, and its words, flat."""
    storage = storage_dtype(dtype)
    out = device.empty(shape, device.held_as(storage))
    return out, device.words(out.reshape(-1), storage)
