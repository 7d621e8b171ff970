"""Every measurement that pages report: its command, how long it takes, and where it stands.

`benchmarks.remake` runs them, and compares them with the pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

# Real data by the names that commands have for them; `--data` is a folder that holds these files.
DATA = {
    "train.tsv.gz": "train.tsv.gz",  # Criteo Kaggle, rows in the order of time
    "adult.data.gz": "adult.data.gz",
    "corpus.txt.gz": "corpus.txt.gz",
    "WordSim-353.txt": "EN-WS-353-ALL.txt",
    "MEN.txt": "EN-MEN-TR-3k.txt",
    "SimLex-999.txt": "EN-SIMLEX-999.txt",
}


class Measurement(NamedTuple):
    """A command, and the pages that report it.

    Attributes
    ----------
    command : str
        As a page shows it. Each measurement runs in a separate, empty folder.
    minutes : float
        Of an idle machine with two cores, compiling included.
    places : tuple of str
        Pages, from the root of the project, with the heading of the part: "docs/a.md#some-heading".
    figures : mapping of str to str
        The name that the command gives a file, by the file of the pages.
    quiet : bool
        Whether it measures speed, so that nothing else may run beside it.
    needs : tuple of str
        Modules without which it would leave something out.
    """

    command: str
    minutes: float
    places: tuple[str, ...]
    figures: Mapping[str, str] = MappingProxyType({})
    quiet: bool = False
    needs: tuple[str, ...] = ()


_RESULTS, _CLAIMS = "README.md#results-against-peers", "README.md#the-papers-claims-reproduced"
_ONE_THREAD = "NUMBA_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"
_WORDS = "--data corpus.txt.gz --similarity WordSim-353.txt MEN.txt SimLex-999.txt"
_GALLERY = "criteo own_loop adult word2vec convergence parity memory rng sharded speed"

# In the order in which they run: speed first, the most important before the rest.
MEASUREMENTS = {
    "speed": Measurement(
        "python examples/speed.py --full", 3,
        (_CLAIMS, "docs/claims.md#faster-training"),
        {"docs/speed.png": "speed.png"}, quiet=True,
    ),
    "rng": Measurement(
        "python examples/rng.py --full", 3,
        (_CLAIMS, "docs/claims.md#a-fast-random-generator"),
        {"docs/rng.png": "rng.png"}, quiet=True,
    ),
    "benchmarks": Measurement(
        "python -m benchmarks --out build/benchmarks", 15,
        (
            _RESULTS, "docs/index.md", "docs/performance.md#compared-with-pytorch-and-fbgemm",
            "docs/performance.md#benchmarks", "docs/comparison.md#fbgemm-and-torchrec",
        ),
        {
            "docs/benchmark-peers.png": "build/benchmarks/peers.png",
            "docs/benchmark-generators.png": "build/benchmarks/generators.png",
        },
        quiet=True, needs=("torch", "fbgemm_gpu", "matplotlib"),
    ),
    "memory": Measurement(
        "python examples/memory.py --full", 1,
        (_CLAIMS, "docs/claims.md#half-the-memory"),
        {"docs/memory.png": "memory.png"}, quiet=True,
    ),
    "first_call": Measurement(
        "python -m benchmarks.first_call", 0.3,
        ("docs/install.md#the-first-call-compiles",), quiet=True,
    ),
    "vocabulary_cost": Measurement(
        f"{_ONE_THREAD} python -m benchmarks.vocabulary cost", 2,
        ("docs/vocabularies.md#cost",), quiet=True,
    ),
    "diagnose": Measurement(
        f"{_ONE_THREAD} python -m benchmarks.diagnose", 1,
        ("docs/diagnose.md#what-it-costs",), quiet=True,
    ),
    "encoding": Measurement(
        "python -m benchmarks.encoding --rows 1e6 --rounds 5", 1,
        ("docs/frames.md#speed",), quiet=True,
    ),
    "busy": Measurement(
        "python -m benchmarks.busy", 2, ("docs/performance.md#threads",), quiet=True,
    ),
    "steps": Measurement(
        f"{_ONE_THREAD} python -m benchmarks.steps", 1,
        ("docs/performance.md#what-a-step-costs-beside-its-kernels",), quiet=True,
    ),
    "ranks": Measurement(
        "mpiexec -n 2 -genv NUMBA_NUM_THREADS 1 python -m mpi4py -m benchmarks.ranks --rows 4e6",
        0.5,
        ("docs/many-machines.md#what-travels",), quiet=True, needs=("mpi4py",),
    ),
    "scale": Measurement(
        "python -m benchmarks.scale --measure --measured ranks.json", 2, ("docs/scale.md",),
        {"docs/ranks.json": "ranks.json"}, quiet=True, needs=("mpi4py",),
    ),
    "wire": Measurement(
        "mpiexec -n 2 -genv NUMBA_NUM_THREADS 1 -genv OPENBLAS_NUM_THREADS 1 python -m mpi4py "
        "-m benchmarks.wire --data train.tsv.gz --seeds 16", 6,
        ("docs/many-machines.md#what-travels",), needs=("mpi4py",),
    ),
    "launches": Measurement(
        "python -m benchmarks.launches", 0.1, ("docs/gpu.md#launches",), quiet=True,
    ),
    "larger_than_memory": Measurement(
        "python -m benchmarks.larger_than_memory --rows 1e7", 3,
        ("docs/streams.md#memory-and-speed",), quiet=True,
    ),
    "mapped": Measurement(
        "python -m benchmarks.mapped", 2, ("docs/tables-in-files.md#speed",), quiet=True,
    ),
    "optimizers_logistic": Measurement(
        f"{_ONE_THREAD} python -m benchmarks.optimizers --data train.tsv.gz --models logistic "
        "--seeds 10 --json logistic.json --markdown logistic.md", 8,
        ("docs/optimizers.md#which-optimizer-to-take",), quiet=True,
    ),
    "optimizers_dlrm": Measurement(
        f"{_ONE_THREAD} python -m benchmarks.optimizers --data train.tsv.gz --models DLRM "
        '--seeds 16 --json dlrm.json --markdown dlrm.md --optimizers SGD "SGD, momentum" '
        '"SGD, Adam" Adagrad RowWiseAdagrad Adam', 14,
        ("docs/optimizers.md#which-optimizer-to-take",), quiet=True,
    ),
    "word2vec_short": Measurement(
        f"python examples/word2vec.py {_WORDS} --words 2000000 --epochs 1 --seeds 5 --peers", 3,
        ("docs/claims.md#word-vectors",), quiet=True, needs=("gensim",),
    ),
    "word2vec_one_thread": Measurement(
        f"{_ONE_THREAD} python examples/word2vec.py {_WORDS} --words 2000000 --epochs 1 --seeds 5 "
        "--peers --readers 1", 4,
        ("docs/claims.md#word-vectors",), quiet=True, needs=("gensim",),
    ),
    "durations": Measurement(
        "python -m benchmarks.durations", 6, ("docs/claims.md",), quiet=True,
    ),
    "gallery": Measurement(
        f"python docs/gallery.py {_GALLERY} --adult adult.data.gz --out gallery", 5,
        ("docs/gallery.md", "docs/index.md", "docs/diagnose.md#predicted-and-measured",
         "docs/claims.md#the-quality-of-float32"),
        {
            "docs/criteo-planted.png": "gallery/criteo.png",
            **{
                f"docs/gallery/{name}.{kind}": f"gallery/{name}.{kind}"
                for name in _GALLERY.split() for kind in ("txt", "png")
            },
        },
        quiet=True, needs=("mpi4py", "sklearn"),
    ),
    "convergence": Measurement(
        "python examples/convergence.py --full", 10,
        (_CLAIMS, "docs/claims.md#the-rate-of-float32-sgd-up-to-constants",
         "docs/theory/floor.md#measured", "docs/theory/prediction.md#measured"),
        {"docs/convergence.png": "convergence.png"},
    ),
    "constants": Measurement(
        "python examples/convergence.py --constants", 0.1,
        ("docs/theory/strongly-convex.md#reading-it", "docs/theory/prediction.md#measured",
         "docs/claims.md#the-rate-of-float32-sgd-up-to-constants"),
    ),
    "parity": Measurement(
        "python examples/parity.py --full --data train.tsv.gz", 4,
        (_CLAIMS, "docs/claims.md#the-quality-of-float32"),
        {"docs/parity.png": "parity.png"},
    ),
    "criteo_sgd": Measurement(
        "python examples/criteo.py --optimizer sgd", 1, ("docs/claims.md#the-quality-of-float32",),
    ),
    "formats": Measurement(
        "python -m benchmarks.formats", 0.7,
        ("docs/choosing-a-format.md#what-the-rounding-noise-costs",),
    ),
    "predict": Measurement(
        "python -m benchmarks.diagnose --predict", 4, ("docs/diagnose.md#predicted-and-measured",),
    ),
    "defaults": Measurement(
        "python -m benchmarks.defaults --adult adult.data.gz --criteo train.tsv.gz --models "
        "logistic dlrm", 30, ("docs/defaults.md",),
    ),
    "adult": Measurement(
        "python examples/adult.py --data adult.data.gz --peers", 0.4,
        (_RESULTS, "docs/frames.md#numbers", "docs/comparison.md#scikit-learn"),
        needs=("sklearn",),
    ),
    "states": Measurement(
        "python -m benchmarks.states", 0.7, ("docs/optimizers.md#states-in-low-precision",),
    ),
    "averaging": Measurement(
        "python -m benchmarks.averaging", 8,
        ("docs/theory/averaging.md#measured", "docs/theory/convex.md#measured"),
    ),
    "averaging_criteo": Measurement(
        "python -m benchmarks.averaging --data train.tsv.gz --seeds 5", 15,
        ("docs/theory/averaging.md#on-criteo-rows",),
    ),
    "vocabulary_quality": Measurement(
        "python -m benchmarks.vocabulary quality", 5,
        ("docs/vocabularies.md#compared-with-hashing",),
    ),
    "draw": Measurement(
        "python docs/draw.py figures", 0.2, ("docs/optimizers.md#clipping-and-weight-decay",),
        {
            f"docs/figures/{name}.svg": f"figures/{name}.svg"
            for name in ("batches", "decay", "neighbours", "spacing", "stall", "step")
        },
    ),
    "word2vec": Measurement(
        f"python examples/word2vec.py {_WORDS} --full --peers", 45,
        (_RESULTS, "docs/claims.md#word-vectors"),
        {"docs/word2vec.png": "word2vec.png"}, needs=("gensim",),
    ),
    "word2vec_front": Measurement(
        f"python examples/word2vec.py {_WORDS} --full --peers --readers 1 --seeds 1", 12,
        ("docs/claims.md#word-vectors",), needs=("gensim",),
    ),
    "fuzz": Measurement(
        "python -m tests.fuzz --full --seed 3 --minutes 8.5", 10,
        ("docs/reliability.md#random-cases",),
    ),
    "faults": Measurement(
        "python -m tests.faults --kills 200 --seed 1", 6, ("docs/reliability.md#faults",),
    ),
}  # fmt: skip
