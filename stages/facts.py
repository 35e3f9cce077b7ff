"""facts: facts on the pool's rows for reports (source, cluster, nearest meta-task, labels), as a small table in git."""

import numpy as np
import pyarrow as pa
import torch

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.data.labels import load_labels
from cadc.features.nearest import nearest_meta_task
from cadc.selectors.shared.kmeans import spherical_kmeans


def main(params: Params) -> int:
    torch.set_num_threads(1)
    pool, labels, facts = artifacts.load_pool(), load_labels(), params.facts
    views = np.concatenate([artifacts.load_array(artifacts.EMBEDDINGS / f"{x}.npy") for x in ("image", "text")], 1)
    columns = {
        "source": pool["source"].dictionary_encode(),
        "cluster": pa.array(spherical_kmeans(views, facts.clusters, facts.iterations, facts.seed)[0], pa.int32()),
        "about": pa.array(nearest_meta_task(params)).dictionary_encode(),
    }
    if labels.num_rows:
        known = (name for name in ("noise", "form", "subtask") if any(labels[name].to_pylist()))
        columns |= {name: labels[name].dictionary_encode() for name in known}
        columns["copy"] = pa.array([bool(name) for name in labels["duplicate_of"].to_pylist()])
    artifacts.FACTS.parent.mkdir(exist_ok=True)
    skipped = len(artifacts.read_json(artifacts.POOL / "skipped.json"))
    table = pa.table(columns).replace_schema_metadata({"skipped": str(skipped)})
    artifacts.write_table(artifacts.FACTS, table, compression="zstd", compression_level=19)
    return pool.num_rows


if __name__ == "__main__":
    run_stage("facts", main)
