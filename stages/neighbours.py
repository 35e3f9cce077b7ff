"""neighbours: the pool rows nearest to benchmark rows by concept and by skill, with their skills (views/dvc.yaml)."""

import numpy as np

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.data.probe import load_probe
from cadc.report.views import Shown, write_neighbours
from cadc.selectors.shared.knn import matches

FOLDER = artifacts.VIEWS / "default"
TARGETS, NEAREST = 12, 3


def main(params: Params) -> None:
    pool, (probe, *_) = artifacts.load_pool(), load_probe(artifacts.PROBE, params.capture.targets)
    skills = {
        name: artifacts.read_table(FOLDER / f"{name}.parquet")["skills"].to_pylist() for name in ("pool", "probe")
    }
    target = artifacts.load_array(FOLDER / "probe_target.npy")
    names, first = np.unique(target, return_index=True)
    at = first[np.unique(np.linspace(0, len(names) - 1, min(TARGETS, len(names))).astype(int))]
    found = {}
    for view in ("concept", "skill"):
        rows, queries = (np.asarray(artifacts.load_array(FOLDER / f"{name}.npy")) for name in (view, f"probe_{view}"))
        found[view] = matches(queries[at], rows, NEAREST)
    write_neighbours(
        [
            (
                str(target[row]),
                Shown.of(probe.slice(int(row), 1).to_pylist()[0], skills["probe"][row]),
                {
                    view: [
                        Shown.of(pool.slice(int(k), 1).to_pylist()[0], skills["pool"][k], float(near))
                        for k, near in zip(index[i], cosine[i], strict=True)
                    ]
                    for view, (index, cosine) in found.items()
                },
            )
            for i, row in enumerate(at)
        ]
    )


if __name__ == "__main__":
    run_stage("neighbours", main)
