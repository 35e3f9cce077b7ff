"""CADC: data curation for vision-language instruction tuning, reproducible end to end.

Importing the package pins what would let two x86-64 machines disagree on the last bit of a float: the instruction
set of NumPy, ATen, oneDNN, MKL, OpenBLAS and faiss, and one thread per process. NumPy and OpenBLAS look once, when
they are loaded, so it must come before them whatever a file imports first: the environment that `make` sets up does
so as Python starts (its cadc.pth). A value that the user has set in the
environment is kept. `CADC_ISA=native`, which stages set where `compute.isa` says so, leaves the instruction set to the
machine: then only machines of one kind give the same bytes.

Each process also leaves its number to those that it starts, as `CADC_STARTED_BY`: by it a stage sees whether the DVC
that started it has gone while it was still loading (`compute/lifeline.py`).
"""

import os

#: The process that started this one, as far as it is known: of several between them the nearest that imports this file.
STARTED_BY = int(os.environ.get("CADC_STARTED_BY") or os.getppid())


def _leave_number() -> None:
    os.environ["CADC_STARTED_BY"] = str(os.getpid())


_leave_number()
os.register_at_fork(after_in_child=_leave_number)

ISA = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # all beyond AVX2 that NumPy 2.4 has code for
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_SIMD_LEVEL": "AVX2",
}
_ALWAYS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_THREADING_LAYER": "workqueue",  # the OpenMP layer would reset torch's own thread count
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",  # bars are drawn by cadc.compute.console alone
}
for _name, _value in (_ALWAYS if os.environ.get("CADC_ISA") == "native" else ISA | _ALWAYS).items():
    os.environ.setdefault(_name, _value)
