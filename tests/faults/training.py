"""What is saved and trained while things go wrong."""

import lowprec as lp
from tests import naive_models
from tests.faults.files import lp_files

SIZES = [50, 30, 20]


def big_table(seed):
    return lp.EmbeddingTable(65_536, 16, seed=seed)


def make_model(**kwargs):
    rates = {"optimizer": lp.SGD(2.0), "dense_optimizer": lp.SGD(0.2)}
    return lp.LogisticRegression(
        SIZES, **{"batch_size": 32, "epochs": 40, "l2": 1e-3, **rates, **kwargs}
    )


def samples():
    return naive_models.samples(300, SIZES, 3)


def train(folder, end, ready, save=None):
    """Trains where the files of a folder end, with a file after each batch; ready at the first."""
    resume = folder if lp_files(folder) else None
    save = save or lp.Checkpoints(folder, every_batches=1)
    begins = [ready]

    def callback(model, done):
        while begins:
            begins.pop()()

    make_model().fit(*samples(), save=save, resume=resume, callback=callback).save(end)


def whole_training(folder):
    make_model().fit(*samples()).save(folder / "whole.safetensors")
    return (folder / "whole.safetensors").read_bytes()
