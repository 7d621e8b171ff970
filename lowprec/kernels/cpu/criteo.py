"""Columns of text -> features.

A column is the concatenated bytes of its fields, `data` (uint8), and where they begin and end:
field i is `data[offsets[i]:offsets[i + 1]]`, the layout of an Arrow binary array.  Each kernel
fills one column of its output and returns the position of the first bad field, or -1.

The loops are serial on purpose: Arrow's threads decompress and split the next blocks meanwhile,
and take longer.
"""

from lowprec.kernels.cpu.compiling import serial
from lowprec.scalar.criteo import parse_category, parse_dense, parse_label
from lowprec.scalar.hashing import category_id


@serial
def label_column(offsets, data, y):
    """y[i] (int8) = the label in field i."""
    for i in range(offsets.size - 1):
        label = parse_label(data, offsets[i], offsets[i + 1])
        if label < 0:
            return i
        y[i] = label
    return -1


@serial
def dense_column(offsets, data, feature, dense):
    """dense[i, feature] (float32) = the transformed integer in field i."""
    for i in range(offsets.size - 1):
        value, ok = parse_dense(data, offsets[i], offsets[i + 1])
        if not ok:
            return i
        dense[i, feature] = value
    return -1


@serial
def category_column(offsets, data, feature, num_embeddings, indices):
    """indices[i, feature] (int32) = the hashed id, below num_embeddings, of field i."""
    for i in range(offsets.size - 1):
        value = parse_category(data, offsets[i], offsets[i + 1])
        if value < 0:
            return i
        indices[i, feature] = category_id(value, feature, num_embeddings)
    return -1
