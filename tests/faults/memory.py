"""Memory that may not be written: whoever writes there ends the process."""

import numpy as np

import lowprec as lp
from tests.children import in_child
from tests.faults.at_once import in_threads
from tests.faults.promises import check, refused
from tests.faults.training import make_model, samples
from tests.read_only import mapped

TRIES = 20


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_only_memory(folder, rng):
    """Steps are refused while other threads look up and predict; files are as they were."""

    def child(ready):
        X, y = samples()
        ids, grad = rng.integers(0, 500, 2000), np.ones((2000, 16), np.float32)
        table, model = lp.EmbeddingTable(500, 16, optimizer=lp.Adagrad(0.1)), make_model(epochs=1)
        table.update(ids, grad)
        model.fit(X, y)
        homes = folder / "table", folder / "model"
        for home in homes:
            home.mkdir()
        frozen, predicts = mapped(table, homes[0]), mapped(model, homes[1])
        before = [contents(home) for home in homes]
        check(all(before), "nothing was mapped")
        rows, scores = table.lookup(ids).tobytes(), model.predict_proba(X).tobytes()
        changes = [
            lambda: frozen.update(ids, grad),
            lambda: frozen.write(ids[:1], grad[:1]),
            lambda: predicts.partial_fit(X, y),
            lambda: predicts.table_.update(np.zeros((1, 3), np.int64), np.ones((1, 3, 1), "f4")),
        ]

        def work(number):
            for _ in range(TRIES):
                if number < len(changes):
                    refused(changes[number], ValueError)
                check(frozen.lookup(ids).tobytes() == rows, "a lookup")
                check(predicts.predict_proba(X).tobytes() == scores, "a prediction")

        in_threads(len(changes) + 2, work)
        steps = (frozen.step, predicts.table_.step), (table.step, model.table_.step)
        check(steps[0] == steps[1], f"steps {steps}")
        check([contents(home) for home in homes] == before, "a file changed")
        return {"refused": TRIES * len(changes), "arrays": sum(map(len, before))}

    return in_child(child)
