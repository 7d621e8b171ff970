"""Small models and samples for them."""

import pytest

from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind, small, with the given parameters."""
    return request.param


@pytest.fixture(scope="module")
def clicks():
    return naive_models.samples(300, SIZES, 3)


@pytest.fixture(scope="module")
def bags():
    return naive_models.samples(300, SIZES, 3, jagged=True)
