"""discover NAME: group subtasks into capabilities (Leiden on trajectory similarity), and compute each row's influence
on every capability."""

import numpy as np

from cadc import artifacts
from cadc.capabilities.attribution import affinity, best_influence, capability_influence, purity, snapshot_weights
from cadc.capabilities.description import write_description
from cadc.capabilities.graph import centered, cosine_similarity
from cadc.capabilities.stability import consensus, load_captured, most_stable
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, n_proxy_runs

VARIANT = Variant.asked("discoveries")


def main(params: Params) -> None:
    discover, capture = params.discover, artifacts.CAPTURE / params.trajectories
    n_runs = n_proxy_runs(VARIANT, params.run)
    captured = load_captured(capture, discover.targets, min(discover.runs or n_runs, n_runs))
    subtasks, kept = captured.subtasks, captured.kept
    gram = np.asarray(artifacts.load_array(capture / "gram.npy"))[:, kept[:, None], kept]
    snapshots = artifacts.read_json(artifacts.proxy_run(params.run) / "snapshots.json")
    weights = snapshot_weights(np.array([entry["lr"] for entry in snapshots]), discover.snapshot_weights)
    candidates = consensus(captured.row_grams, captured.subtask, weights, discover)
    chosen = most_stable(candidates)
    capability, cosine = chosen.partition, cosine_similarity(centered(gram) if discover.center else gram, weights)
    store = artifacts.INFLUENCE / params.trajectories
    inner, norm, own = (artifacts.load_array(store / f"{x}.npy") for x in ("influence", "norm", "self_influence"))
    inner = inner if len(kept) == inner.shape[2] else inner[:, :, kept]
    about = affinity(inner, norm, gram, weights)
    influence = (
        best_influence(about, capability)
        if discover.attribution == "best"
        else capability_influence(inner, norm, gram, weights, capability, discover.center)
    )
    targets = [entry["target"] for entry in subtasks]
    # equal weight per benchmark
    weight = np.array([1 / (len(set(targets)) * targets.count(target)) for target in targets])
    out = artifacts.fresh(artifacts.CAPABILITIES / VARIANT.name)
    arrays = {
        "cosine": cosine,
        "capability": capability,
        "weight": weight,
        "influence": influence,
        "affinity": about,
        "purity": purity(inner, norm, gram),
        "self_influence": np.asarray(own),
        "together": chosen.together,
    }
    for name, array in arrays.items():
        artifacts.save_array(out / f"{name}.npy", array)
    named = [{**entry, "capability": int(c)} for entry, c in zip(subtasks, capability, strict=True)]
    artifacts.write_json(out / "capabilities.json", named)
    stability = [candidate.summary(len(captured.row_grams), candidate is chosen) for candidate in candidates]
    artifacts.write_json(out / "stability.json", stability)
    steps = [entry["step"] for entry in snapshots]
    write_description(artifacts.FOUND / VARIANT.name, named, stability, arrays, steps, artifacts.load_pool())
    for c in range(capability.max() + 1):
        console.line(f"capability {c}: {', '.join(entry['name'] for entry in named if entry['capability'] == c)}")


if __name__ == "__main__":
    run_stage("discover", main, VARIANT)
