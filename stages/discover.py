"""discover: subtasks into capabilities (Leiden on trajectory similarity), and the influence store folded by capability."""

import numpy as np

from cadc import artifacts, console
from cadc.capabilities.attribution import capability_influence
from cadc.capabilities.graph import centered, communities, cosine_similarity
from cadc.params import Params
from cadc.stage import run_stage


def main(params: Params) -> None:
    discover = params.discover
    gram = np.asarray(artifacts.load_array(artifacts.CAPTURE / "gram.npy"))
    subtasks = artifacts.read_json(artifacts.CAPTURE / "subtasks.json")
    rates = np.array([entry["lr"] for entry in artifacts.read_json(artifacts.PROXY / "snapshots.json")])
    cosine = cosine_similarity(centered(gram) if discover.center else gram, rates)
    capability = communities(cosine, discover.tau, discover.resolution, discover.seed)
    arrays = {name: artifacts.load_array(artifacts.INFLUENCE / f"{name}.npy") for name in ("influence", "norm", "self_influence")}
    influence = capability_influence(arrays["influence"], arrays["norm"], gram, rates, capability, discover.center)
    artifacts.fresh(artifacts.CAPABILITIES)
    artifacts.save_array(artifacts.CAPABILITIES / "cosine.npy", cosine)
    artifacts.save_array(artifacts.CAPABILITIES / "influence.npy", influence)
    artifacts.save_array(artifacts.CAPABILITIES / "self_influence.npy", np.asarray(arrays["self_influence"]))
    named = [{**subtask, "capability": int(c)} for subtask, c in zip(subtasks, capability, strict=True)]
    artifacts.write_json(artifacts.CAPABILITIES / "capabilities.json", named)
    for c in range(capability.max() + 1):
        console.line(f"capability {c}: {', '.join(s['name'] for s in named if s['capability'] == c)}")


if __name__ == "__main__":
    run_stage("discover", main)
