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
    """Converts frames of categories, numbers and lists to samples for models.

    It accepts any frame with the Arrow capsule interface: frames of pandas (2.2 or newer) and
    polars, tables and batches of pyarrow, results of DuckDB.  Equal values give equal samples, bit
    for bit, whatever their library and type: an integer that became 3.0 because its column has a
    missing value is still 3.

    =========== =========================================== ===================================
    columns     found by type                               become
    =========== =========================================== ===================================
    categorical text, bytes, booleans, dates, dictionaries  an id
    numerical   integers, floats, decimals, points in time  a dense feature and the id of a bin
    multi       lists                                       a bag of ids; none of a missing list
    =========== =========================================== ===================================

    **Integers are numbers by default**: name columns of ids, such as those of users, in
    `categorical`.

    Every column gives one feature of ids.  Row 0 of each feature is for missing and unknown values.
    The dense feature of a number is its distance from the mean in standard deviations, clipped to
    [-10, 10], and 0 if the number is missing.

    Parameters
    ----------
    categorical, numerical, multi : sequence of str, optional
        Names of columns to treat as such.  The types of all other columns decide.  To leave a
        column out, leave it out of the frame.
    vocabulary : {"learn", "hash", "grow"}, default "learn"
        How categories become ids.  "learn": `fit` gives each category a row, the most frequent ones
        first.  "hash": a hash of the category and the name of the column chooses one of `buckets`
        rows; nothing is learned.  "grow": `partial_fit` gives new categories free rows, and no row
        ever changes, so that a model can train at the same time.
    buckets : int or dict, default 65536
        With "hash": rows of each column, or a dictionary by name, in which columns without an entry
        have 65536.
    min_count : int, default 1
        With "learn" and "grow": how often a category must occur to get a row.
    capacity : int or dict, optional
        With "grow": rows of each column, in the form of `buckets`.  Default: `buckets`.
    bins : int, default 32
        Number of bins for a column of numbers.  If a column has fewer different numbers, each gets
        a bin.

    Attributes
    ----------
    feature_names_in_ : ndarray of str
        The columns on which it was fitted.
    n_features_in_ : int
        How many there are.
    vocabularies_ : dict
        See the property.

    Raises
    ------
    TypeError, ValueError, ImportError
        By `fit`, not by the constructor, if a parameter is invalid, or without pyarrow
        (``pip install "lowprec[data]"``).

    Notes
    -----
    `transform` ignores columns that `fit` has not seen, such as labels.

    A category is identified by a 64-bit hash of its value (``docs/hash.md``).  The probability that
    two of n categories of a column have the same hash is about ``n**2 / 2**65``, which is 3e-8 for
    a million.

    Text and bytes are compared by their bytes, and dates and times by their microseconds since 1970
    (in UTC if they have a time zone).  As numbers, times are seconds.  NaN and null are missing.

    Bins divide the values into parts of about equal size.  A value that would fill a bin gets its
    own, so there can be up to twice as many.  For columns with long tails, in which `fit` saw a
    number more than 10 deviations from the mean, the dense feature is computed from
    ``sign(x) * log(1 + |x|)``.  Quantiles, mean and deviation use all values of a column, up to
    65,536.  From longer columns about 50,000 values are sampled by their positions.

    With "learn", rows change when `partial_fit` sees more data: train models after the last call.
    However a frame is cut into parts, `partial_fit` on the parts gives the result of `fit` on the
    whole, except for the rows of "grow", which depend on the categories of each part.

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
            At least one row.
        y
            Ignored; pipelines pass it.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            Without pyarrow.
        TypeError, ValueError
            If `X` is no frame, a parameter is invalid, a column has a type that is not supported, a
            number is infinite, or a named column is missing: names it.  The encoder is unchanged.

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
        """Learn from another frame as well. The first call is like `fit`.

        Parameters
        ----------
        X : frame
            Columns that the first frame did not have are ignored.
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
            As for `fit`, or if a column is missing or a parameter was changed since the first call.

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
            With all columns on which the encoder was fitted, in any order; other columns are
            ignored.

        Returns
        -------
        Samples
            With `num_embeddings`, for models whose own is None.

        Raises
        ------
        ImportError
            Without pyarrow.
        TypeError
            If `X` is not a frame, or a column has another kind of values than in `fit`.
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
