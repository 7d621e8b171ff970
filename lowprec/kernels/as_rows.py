"""Dense parameters as matrices of rows, as rules step them.

The rows of a matrix are those of its first axis; a vector, such as a bias, is one row.
"""


def shape_as_rows(shape):
    """The rows and columns of a parameter of this shape."""
    rows, columns = shape if len(shape) == 2 else (1, *shape)
    return rows, columns


def as_rows(array):
    """A parameter as a matrix of rows, without a copy."""
    return array.reshape(shape_as_rows(array.shape))
