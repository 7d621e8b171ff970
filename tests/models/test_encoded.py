"""A model and its encoder in one file."""

import numpy as np
import pytest

import lowprec as lp
from tests.models.small import make_dlrm, make_logistic, state

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow reads frames")
RNG = np.random.default_rng(0)
FRAME = pyarrow.table(
    {
        "city": [["Rome", "Oslo", None][k] for k in RNG.integers(0, 3, 200)],
        "age": RNG.normal(40, 9, 200),
        "tags": [[*map(str, range(k))] for k in RNG.integers(0, 4, 200)],
    }
)
Y = RNG.integers(0, 2, 200)


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    return request.param


@pytest.fixture(params=["learn", "hash", "grow"])
def encoder(request):
    options = {"capacity": 9} if request.param == "grow" else {}
    return lp.TabularEncoder(vocabulary=request.param, buckets=64, **options).fit(FRAME)


def test_a_loaded_model_takes_frames(make, encoder, tmp_path):
    samples = encoder.transform(FRAME)
    model = make(num_embeddings=None).fit(samples, Y)
    assert model.encoder_ is None
    model.save(tmp_path / "m.safetensors", encoder=encoder)
    for again in (
        lp.load(tmp_path / "m.safetensors"),
        type(model).load(tmp_path / "m.safetensors"),
    ):
        expected = model.predict_proba(samples)
        np.testing.assert_array_equal(again.predict_proba(FRAME), expected)
        np.testing.assert_array_equal(again.predict_proba(samples), expected)
        same = again.encoder_.transform(FRAME)
        np.testing.assert_array_equal(same.indices, samples.indices)
    again.save(tmp_path / "again.safetensors")  # with the encoder that it has
    lp.load(tmp_path / "again.safetensors").save(tmp_path / "third.safetensors")
    second, third = (tmp_path / f"{name}.safetensors" for name in ("again", "third"))
    assert second.read_bytes() == third.read_bytes()
    again.partial_fit(FRAME, Y)
    assert state(again) == state(model.partial_fit(samples, Y))


def test_without_an_encoder_there_is_none(make, tmp_path):
    samples = lp.TabularEncoder().fit_transform(FRAME)
    model = make(num_embeddings=None).fit(samples, Y)
    model.save(tmp_path / "m.safetensors")
    again = lp.load(tmp_path / "m.safetensors")
    assert again.encoder_ is None
    with pytest.raises(TypeError, match=r"convert it with lowprec\.TabularEncoder"):
        again.predict(FRAME)


@pytest.mark.parametrize("wrong", ["encoder", {}, lp.SGD()])
def test_what_is_no_encoder(make, wrong, tmp_path):
    samples = lp.TabularEncoder().fit_transform(FRAME)
    model = make(num_embeddings=None).fit(samples, Y)
    with pytest.raises(TypeError, match=r"encoder must be a lowprec\.TabularEncoder"):
        model.save(tmp_path / "m.safetensors", encoder=wrong)
    with pytest.raises(ValueError, match="TabularEncoder is not fitted yet"):
        model.save(tmp_path / "m.safetensors", encoder=lp.TabularEncoder())
    assert not list(tmp_path.iterdir())


def test_files_of_training_keep_the_encoder(tmp_path):
    encoder = lp.TabularEncoder().fit(FRAME)
    model = make_logistic(num_embeddings=None).fit(encoder.transform(FRAME), Y)
    model.save(tmp_path / "m.safetensors", encoder=encoder)
    again = lp.load(tmp_path / "m.safetensors")
    again.fit(FRAME, Y, save=lp.Checkpoints(tmp_path / "files", every_batches=3))
    newest = sorted((tmp_path / "files").iterdir())[-1]
    assert lp.load(newest).encoder_.get_feature_names_out().tolist() == [
        "age", "city", "age_bin", "tags",
    ]  # fmt: skip
