"""CADC: data curation for vision-language instruction tuning, reproducible end to end.

Importing the package sets environment variables that make x86-64 machines agree on the last bit of a float: the
instruction set of NumPy, ATen, oneDNN, MKL, OpenBLAS and faiss, and one thread per process. NumPy and OpenBLAS read
these only when they are loaded, so this package must be imported first; in the environment that `make` sets up, Python
imports it at start-up (cadc.pth). A variable that the user has set is kept. `CADC_ISA=native`, which stages set if
`compute.isa` is native, does not restrict the instruction set: then only machines of one kind give the same bytes.

Each process also passes its process id to those that it starts, as `CADC_STARTED_BY`. From it, a stage sees whether the
DVC process that started it has ended while the stage was still loading (`compute/lifeline.py`).
"""

import os

#: The id of the process that started this one: the nearest ancestor that imports this file, or else the parent.
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
