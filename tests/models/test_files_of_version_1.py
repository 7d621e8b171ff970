"""Models in files of version 1, and their optimizers."""

import pytest

import lowprec as lp
from tests import naive_models
from tests.conftest import ROOT
from tests.models.rewriting import rewrite
from tests.models.small import RATES, SIZES, make_dlrm, make_logistic, state

OLD = ROOT / "tests" / "data" / "version_1" / "logistic_in_fit.safetensors"


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(300, SIZES, 3, jagged=request.param)


def test_models_of_version_1_keep_the_optimizers_that_were_the_default(samples, tmp_path):
    """They were given none, and their files say so."""
    former = {"optimizer": lp.SGD(1.0), "dense_optimizer": lp.SGD(0.02)}
    model = make_logistic(**former).fit(*samples)
    path = tmp_path / "m.safetensors"
    model.save(path)

    def as_in_version_1(state):
        del state["num_features"], state["classes"]
        assert state["parameters"]["optimizer"]["learning_rate"] == 1.0
        state["parameters"] |= dict.fromkeys(former)

    rewrite(path, as_in_version_1)
    again = lp.load(path)
    assert (again.optimizer, again.dense_optimizer) == tuple(former.values())
    assert again.classes_.tolist() == [0, 1]
    assert state(again.partial_fit(*samples)) == state(model.partial_fit(*samples))


def test_a_penalty_takes_steps_that_are_a_number_times_the_gradient(samples):
    """The default of all others adapts; the penalty would be another one."""
    penalised, other = make_logistic(optimizer=None, l2=0.01), make_logistic(optimizer=None)
    assert penalised.fit(*samples).table_.optimizer == lp.SGD(1.0)
    assert isinstance(other.fit(*samples).table_.optimizer, lp.Adagrad)


@pytest.mark.parametrize("name", ["optimizer", "dense_optimizer"])
def test_a_model_whose_optimizer_has_other_states_is_not_saved(make, samples, name, tmp_path):
    """Its file could not be loaded: the states in it are those of the optimizer before."""
    model = make().fit(*samples).set_params(**{name: lp.Adagrad(0.1)})
    with pytest.raises(ValueError, match="states"):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
    model.set_params(**RATES).save(tmp_path / "m.safetensors")
    lp.load(tmp_path / "m.safetensors")
