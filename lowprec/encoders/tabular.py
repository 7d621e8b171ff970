"""The public face of encoders: a transformer from frames to samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.samples import Samples
from lowprec.encoders import description
from lowprec.encoders.assembling import encode
from lowprec.encoders.columns import Column
from lowprec.encoders.fitted import FittedEncoder
from lowprec.encoders.frames import Frame, read_frame
from lowprec.encoders.kinds import ROLES
from lowprec.encoders.learning import Vocabularies, learn, start
from lowprec.encoders.roles import roles_of
from lowprec.typing import VocabularyName

Self = TypeVar("Self", bound="TabularEncoder")


class TabularEncoder(FittedEncoder):
    """From any frame to samples: categories, numbers and lists as a model takes them.

    It takes whatever has the Arrow capsule interface: frames of pandas (2.2 or newer) and polars,
    tables and batches of pyarrow, results of DuckDB.  Equal values give equal samples, bit for bit,
    whichever library and type brings them: an integer that became 3.0 because its column got a
    missing value is still 3.

    =========== =========================================== ===================================
    columns     found by type                               become
    =========== =========================================== ===================================
    categorical text, bytes, booleans, dates, dictionaries  an id
    numerical   integers, floats, decimals, points in time  a dense feature and the id of a bin
    multi       lists                                       a bag of ids; none of a missing list
    =========== =========================================== ===================================

    **Integers are numbers unless they are named**: name ids, such as those of users, in
    `categorical`.

    Every column has one feature of ids, and row 0 of each feature is for values that are missing or
    unknown.  The dense feature of a number is its distance from the mean in standard deviations,
    between -10 and 10, and 0 where the number is missing.

    Parameters
    ----------
    categorical, numerical, multi : sequence of str, optional
        The names of columns that become these.  What a column becomes that is named in none of them
        is found by its type.  To leave a column out, leave it out of the frame.
    vocabulary : {"learn", "hash", "grow"}, default "learn"
        How categories become ids.  "learn": `fit` gives a row to each category that it has seen,
        the most frequent ones first.  "hash": categories share `buckets` rows by a hash of the
        category and the name of the column; nothing is learned.  "grow": new categories get free
        rows as `partial_fit` sees them, and no row ever moves, so that a model can train meanwhile.
    buckets : int or dict, default 65536
        Rows of a column under "hash": of all columns, or by the column's name, where columns that
        are not named have 65536.
    min_count : int, default 1
        Under "learn" and "grow": how often a category must be seen to get a row.
    capacity : int or dict, optional
        Rows of a column under "grow", given like `buckets`, which is the default.
    bins : int, default 32
        Bins of a column of numbers.  A column of fewer different numbers has a bin for each of
        them.

    Attributes
    ----------
    feature_names_in_ : ndarray of str
        The columns that it was fitted on.
    n_features_in_ : int
        How many there are.
    vocabularies_ : dict
        See the property.

    Raises
    ------
    TypeError, ValueError, ImportError
        By `fit`, not by the constructor, if a parameter is none of what is listed above, or without
        pyarrow (``pip install "lowprec[data]"``).

    Notes
    -----
    Columns that `fit` has not seen are left out by `transform`, as labels are.

    A category is known by a 64-bit hash of its value (``docs/hash.md``): among n categories of a
    column, two share a row by chance with a probability of about ``n**2 / 2**65``, which is 3e-8
    for a million.

    Text and bytes compare by their bytes, dates and times by their microseconds since 1970, those
    with a time zone in UTC and the other ones as they stand.  As numbers, times are seconds.  NaN
    is missing, as null is.

    Bins cut the values into parts of about equal size; a value that would fill a bin has one of its
    own, so there can be up to twice as many.  Where tails are long, that is, where `fit` has seen a
    number more than 10 deviations from the mean, the dense feature is made of
    ``sign(x) * log(1 + |x|)``.  Quantiles, mean and deviation are those of all values of a column,
    up to 65,536 of them; of more, about 50,000 are kept, drawn by their places in the column.

    Under "learn", rows move when `partial_fit` sees more: train models after the last call.
    Calling `partial_fit` with a frame in parts, however it is cut, gives what `fit` gives, but for
    the rows under "grow": those depend on which categories each part has.

    Examples
    --------
    >>> import pyarrow, lowprec as lp
    >>> frame = pyarrow.table({
    ...     "city": ["Rome", "Oslo", "Rome", None], "age": [31, 45, None, 20],
    ...     "tags": [["a", "b"], [], ["a"], None],
    ... })
    >>> encoder = lp.TabularEncoder().fit(frame)
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'city', 'age_bin', 'tags']
    >>> samples = encoder.transform(frame)
    >>> samples.shape, samples.num_embeddings
    ((4, 4), [3, 4, 3])
    >>> samples.indices, samples.offsets[:7]  # a city, a bin and a bag of tags for each row
    (array([1, 2, 1, 2, 2, 3, 1, 0, 1, 0, 1], dtype=int32), array([0, 1, 2, 4, 5, 6, 6]))
    """

    def __init__(
        self,
        categorical: Sequence[str] | None = None,
        numerical: Sequence[str] | None = None,
        multi: Sequence[str] | None = None,
        vocabulary: VocabularyName = "learn",
        buckets: int | Mapping[str, int] = 2**16,
        min_count: int = 1,
        capacity: int | Mapping[str, int] | None = None,
        bins: int = 32,
    ) -> None:
        self.categorical = categorical
        self.numerical = numerical
        self.multi = multi
        self.vocabulary = vocabulary
        self.buckets = buckets
        self.min_count = min_count
        self.capacity = capacity
        self.bins = bins

    def fit(self: Self, X: Any, y: Any = None) -> Self:
        """Learn the columns of a frame from scratch.

        Parameters
        ----------
        X : frame
            With one row at least.
        y
            Is not looked at; pipelines pass it.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            Without pyarrow.
        TypeError, ValueError
            If `X` is no frame, a parameter is none of what it may be, a column has a type that is
            not supported, a number is infinite, or a named column is not there: names it.  The
            encoder is as it was.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> frame = pyarrow.table({"city": ["Rome", "Oslo", "Rome"]})
        >>> lp.TabularEncoder().fit(frame).transform(frame).indices.ravel()
        array([1, 2, 1], dtype=int32)
        """
        self._learn_from(read_frame(X), None)
        return self

    def partial_fit(self: Self, X: Any, y: Any = None) -> Self:
        """Learn more from another frame; the first call is as `fit`.

        Parameters
        ----------
        X : frame
            Columns that the first one did not have are left out.
        y
            As for `fit`.

        Returns
        -------
        self

        Raises
        ------
        ImportError, TypeError
            As for `fit`.
        ValueError
            As for `fit`, and if a column is missing or a parameter was changed meanwhile.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> encoder = lp.TabularEncoder(min_count=2)
        >>> for cities in (["Rome", "Oslo"], ["Rome", "Bonn"]):
        ...     encoder = encoder.partial_fit(pyarrow.table({"city": cities}))
        >>> encoder.transform(pyarrow.table({"city": ["Rome", "Oslo"]})).indices.ravel()
        array([1, 0], dtype=int32)
        """
        self._learn_from(read_frame(X), self._fitted)
        return self

    def transform(self, X: Any) -> Samples:
        """The samples of a frame.

        Parameters
        ----------
        X : frame
            With all columns that the encoder was fitted on, in any order; other ones are left out.

        Returns
        -------
        Samples
            With `num_embeddings`, which a model takes whose own are None.

        Raises
        ------
        ImportError
            Without pyarrow.
        TypeError
            If `X` is no frame, or a column holds another kind of values than `fit` has seen.
        ValueError
            If the encoder is not fitted, a column is missing, or a number is infinite: names it.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> encoder = lp.TabularEncoder().fit(pyarrow.table({"age": [20, 30, 40]}))
        >>> encoder.transform(pyarrow.table({"age": [35.0, None]})).indices.ravel()
        array([2, 0], dtype=int32)
        """
        fitted = self._check_fitted()
        return self._encode(fitted, read_frame(X))

    def fit_transform(self, X: Any, y: Any = None) -> Samples:
        """`fit` and `transform` of one frame.

        Parameters
        ----------
        X, y
            As for `fit`.

        Returns
        -------
        Samples

        Raises
        ------
        ImportError, TypeError, ValueError
            As for `fit`.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> lp.TabularEncoder().fit_transform(pyarrow.table({"city": ["Rome", None]})).indices
        array([[1],
               [0]], dtype=int32)
        """
        frame = read_frame(X)  # once: a stream can be read no more often
        return self._encode(self._learn_from(frame, None), frame)

    @in_standard_arithmetic
    def _learn_from(self, frame: Frame, fitted: Sequence[Column] | None) -> Sequence[Column]:
        """Learn from a frame what was `fitted` before, and return it."""
        parameters = Vocabularies.check(
            self.vocabulary, self.buckets, self.min_count, self.capacity, self.bins
        )
        if fitted is None:
            if not frame.num_rows:
                raise ValueError("the frame has no rows")
            named = {role: getattr(self, role) for role in ROLES}
            roles = roles_of(frame.columns, named)
            parameters.expect_names(roles)
            fitted = start(parameters, roles)
        elif changed := description.changed(self.get_params(), self._fitted_with):
            raise ValueError(f"{changed} was changed after the first call; call fit to start anew")
        else:
            _expect_columns(fitted, frame)
        self._take(learn(fitted, frame.columns))
        return self._check_fitted()

    @in_standard_arithmetic
    def _encode(self, columns: Sequence[Column], frame: Frame) -> Samples:
        _expect_columns(columns, frame)
        found = {column.name: column.fitting(frame.columns[column.name]) for column in columns}
        return encode(columns, found, frame.num_rows)


def _expect_columns(columns: Sequence[Column], frame: Frame) -> None:
    if missing := [column.name for column in columns if column.name not in frame.columns]:
        raise ValueError(f"the frame has no column {', '.join(map(repr, missing))}")
