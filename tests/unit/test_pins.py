"""The last bit of a float must not hang on the machine's cores, nor on what a file imports first."""

import os
import subprocess
import sys

ASK = (
    "from threadpoolctl import threadpool_info; "
    "print([(pool['num_threads'], pool.get('architecture', 'Haswell')) for pool in threadpool_info()])"
)


def test_numpy_is_pinned_even_where_it_is_imported_first():
    import cadc

    pinned = {"NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    assert pinned <= os.environ.keys(), cadc.__doc__
    bare = {name: value for name, value in os.environ.items() if name not in pinned}
    out = subprocess.run(
        [sys.executable, "-c", f"import numpy; {ASK}"], env=bare, capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[(1, 'Haswell')]", (
        f"{out}: this environment was set up before Python began with the pins; remove .venv and run make again"
    )


def test_a_stage_starts_again_with_the_instruction_set_that_is_asked_for():
    """And with no other pin lost; where it has that set already, it goes on."""
    said = "import os, torch; print(os.getpid(), os.environ.get('ATEN_CPU_CAPABILITY'), os.environ['OMP_NUM_THREADS'])"
    script = f"{said}; from cadc.compute.stage import on_its_isa; on_its_isa('native'); print('on')"
    bare = {name: value for name, value in os.environ.items() if name != "CADC_ISA"}
    out = subprocess.run([sys.executable, "-c", script], env=bare, capture_output=True, text=True, check=True).stdout
    first, again, on = out.splitlines()
    assert first.split()[1:] == ["avx2", "1"] and again.split()[1:] == ["None", "1"] and on == "on"
    assert first.split()[0] == again.split()[0]  # the same process, which DVC waits for
