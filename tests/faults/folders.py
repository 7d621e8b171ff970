"""A folder that has the files of another training."""

import os

import lowprec as lp
from tests.children import in_child
from tests.faults.promises import check, refused
from tests.faults.training import make_model, samples


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def folder_of_another_training(folder, rng):
    """Neither is begun there nor resumed from; with the training of the files, both."""

    def child(ready):
        X, y = samples()
        save = lp.Checkpoints(folder, every_batches=5)
        make_model(epochs=3).fit(X, y, save=save)
        before, number = contents(folder), int(rng.integers(len(y)))
        flipped = y.copy()
        flipped[number] = 1 - flipped[number]
        tries = [(make_model(epochs=3, seed=1), y), (make_model(epochs=3, batch_size=30), y),
                 (make_model(epochs=3), flipped)]  # fmt: skip
        for model, labels in tries:
            for options in ({"save": save}, {"resume": folder}, {"save": save, "resume": folder}):
                refused(lambda m=model, ys=labels, o=options: m.fit(X, ys, **o), ValueError)
                check(not hasattr(model, "table_"), "it was trained")
        refused(lambda: make_model(epochs=2).fit(X, y, resume=folder), ValueError)
        check(contents(folder) == before, "the files of another training")
        make_model(epochs=3).fit(X, y, save=save)
        check(contents(folder) == before, "files of the same training differ")
        return {"refused": 3 * len(tries) + 1}

    return in_child(child)
