"""Skip-gram: its samples, its gradients, and its steps."""

import argparse

import numpy as np
import pytest
import skip_gram
from skip_gram import Sampler, SkipGram
from words import Text, plant_text

OPTIONS = argparse.Namespace(
    window=3, negative=4, sample=1e-3, batch_size=64, dim=7, epochs=1, min_count=1, readers=1
)


@pytest.fixture(scope="module")
def text():
    return plant_text(20_000, seed=0)[0]


def test_learning_rates():
    """Of one reader a line to the end; of two a line for each epoch, half as steep."""
    one, two = (skip_gram.falling(10, 5, readers) for readers in (1, 2))
    steps = np.arange(50)
    line = skip_gram.ALPHA + (skip_gram.ALPHA_AT_END - skip_gram.ALPHA) * steps / 50
    assert [one(step) for step in steps] == pytest.approx(line)
    halved = (line + np.repeat(line[::10], 10)) / 2
    assert [two(step) for step in steps] == pytest.approx(halved)


def test_samples(text):
    """Windows stay in their sentence, targets are the text, and each epoch draws anew."""
    sampler = Sampler(text, OPTIONS, seed=5)
    targets = []
    for contexts, outputs, first, last, centre in sampler.epoch(0):
        here = centre + np.arange(len(outputs))
        assert (contexts[here] == outputs[:, 0]).all()
        assert (here - first <= 3).all()
        assert (first <= here).all()
        assert (last - here <= 4).all()
        assert (last > here).all()
        assert first.min() == 0
        assert last.max() == len(contexts)
        targets.append(outputs[:, 0])
    targets = np.concatenate(targets)
    assert len(targets) == pytest.approx(sampler.batches_per_epoch * 64, rel=0.1)
    again = np.concatenate([batch[1][:, 0] for batch in sampler.epoch(0)])
    assert (again == targets).all()
    other = np.concatenate([batch[1][:, 0] for batch in sampler.epoch(1)])
    assert len(other) != len(targets) or (other != targets).any()


def test_windows_do_not_leave_sentences():
    ids = np.arange(12, dtype=np.int32)
    text = Text([str(i) for i in ids], np.ones(12), ids, np.array([0, 1, 1, 5, 12]), 12)
    options = argparse.Namespace(window=4, negative=2, sample=1.0, batch_size=5)
    sentence = np.repeat(np.arange(4), np.diff(text.starts))
    for contexts, outputs, first, last, _ in Sampler(text, options, seed=0).epoch(0):
        for (target, *_), begin, end in zip(outputs, first, last, strict=True):
            assert (sentence[contexts[begin:end]] == sentence[target]).all()


def test_negative_samples_follow_the_power(text):
    """Counts of 4 x 20,000 draws or so, within six standard deviations in 1,000 words: 2e-6."""
    sampler = Sampler(text, OPTIONS, seed=1)
    draws = np.concatenate([outputs[:, 1:].ravel() for _, outputs, *_ in sampler.epoch(0)])
    expected = text.counts**0.75 / (text.counts**0.75).sum() * len(draws)
    found = np.bincount(draws, minlength=len(expected))
    assert (np.abs(found - expected) < 6 * np.sqrt(expected) + 1).all()


def naive_loss(contexts, outputs, output_ids, first, last, centre):
    """The sum over all pairs, in float64."""
    loss = 0.0
    for t in range(len(outputs)):
        for u in range(first[t], last[t]):
            if u == centre + t:
                continue
            for k in range(outputs.shape[1]):
                if k and output_ids[t, k] == output_ids[t, 0]:
                    continue
                score = float(contexts[u].astype(np.float64) @ outputs[t, k].astype(np.float64))
                loss += np.logaddexp(0, -score if k == 0 else score)
    return loss


@pytest.mark.parametrize("targets", [1, 2, 3, 6, 7])
def test_gradients(targets):
    """Against central differences of the loss in random directions."""
    rng = np.random.default_rng(targets)
    n, window, dim, words = 9, 3, 7, 15
    centre = 3
    first = np.maximum(np.arange(n) + centre - rng.integers(0, window + 1, n), 0)
    last = np.minimum(np.arange(n) + centre + 1 + rng.integers(0, window + 1, n), words)
    output_ids = rng.integers(0, 4, (n, targets)).astype(np.int32)  # some negatives are targets
    contexts = rng.normal(size=(words, dim)).astype(np.float32)
    outputs = rng.normal(size=(n, targets, dim)).astype(np.float32)
    d_scores = np.full((n, 2 * window + 1, targets), np.nan, np.float32)
    d_outputs, d_contexts = np.full_like(outputs, np.nan), np.full_like(contexts, np.nan)
    skip_gram.outputs_backward(
        contexts, outputs, output_ids, first, last, centre, d_scores, d_outputs
    )
    skip_gram.contexts_backward(outputs, d_scores, first, last, centre, window, d_contexts)
    for _ in range(4):
        dc, do = rng.normal(size=contexts.shape), rng.normal(size=outputs.shape)
        h = 1e-5
        up, down = (
            naive_loss(contexts + s * dc, outputs + s * do, output_ids, first, last, centre)
            for s in (h, -h)
        )
        slope = (d_contexts * dc).sum() + (d_outputs * do).sum()
        assert slope == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-4)


def test_a_step_is_sgd(text):
    """Both tables move by the rate times the gradients, summed over equal words."""
    model = SkipGram(text, OPTIONS, "float32", "nearest", seed=0)
    rng = np.random.default_rng(0)
    model.outputs.weight[:] = rng.normal(size=model.outputs.weight.shape)
    batch = next(model.sampler.epoch(0))
    context_ids, output_ids = batch[:2]
    before = model.contexts.weight.copy(), model.outputs.weight.copy()

    def loss(moved):
        contexts, outputs = (b + m for b, m in zip(before, moved, strict=True))
        return naive_loss(contexts[context_ids], outputs[output_ids], *batch[1:])

    model.step(*batch)
    step = [t.weight - b for t, b in zip((model.contexts, model.outputs), before, strict=True)]
    # the directional derivative along the step is -|step|^2 / rate
    square = sum((s.astype(np.float64) ** 2).sum() for s in step)
    h = 1e-3
    slope = (loss([h * s for s in step]) - loss([-h * s for s in step])) / (2 * h)
    assert slope == pytest.approx(-square / skip_gram.ALPHA, rel=1e-3)


def test_the_parts_of_an_epoch_are_the_epoch(text):
    whole, parted = (SkipGram(text, OPTIONS, "float16", "stochastic", seed=3) for _ in range(2))
    whole.train(0)
    parts = parted.parts(0)
    assert parted.parts_per_epoch > 1
    for _ in range(parted.parts_per_epoch):
        next(parts, None)
    assert parted.contexts.step == whole.contexts.step
    assert (parted.vectors == whole.vectors).all()
