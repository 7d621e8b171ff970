"""Copies of tables and models whose arrays are in files that are mapped for reading.

As those that joblib maps for its workers: who writes there ends the process.
"""

import mmap
import pickle


def mapped(value, folder, choose=range):
    """A copy with some of its arrays in such files: the numbers that `choose(count)` gives.

    NumPy pickles arrays of its own dtypes alone so that they can be there.
    """
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    arrays = [bytearray(buffer.raw()) for buffer in buffers]
    for number in choose(len(arrays)):
        path = folder / f"array{number}"
        path.write_bytes(arrays[number])
        with open(path, "rb") as file:
            arrays[number] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pickle.loads(data, buffers=arrays)
