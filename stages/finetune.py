"""finetune METHOD: a LoRA adapter per budget and seed, trained on the selection in its own order."""

import sys
from pathlib import Path

import torch

from cadc import artifacts, shards
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, save_adapter
from cadc.params import Params, load_params
from cadc.runs import runs_of
from cadc.stage import run_stage
from cadc.training.finetune import finetune
from cadc.training.schedule import epochs_for, static_schedule

METHOD = sys.argv[1]


def tuning() -> shards.Task:
    """The adapter of one run, trained into a folder."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor = artifacts.load_pool(), load_processor(params.tuned.path)
    rows = EncodedRows(pool, processor, params.tuned.max_length)
    seed_of = {run.name: run.seed for run in runs_of(METHOD, params)}

    def tune(name: str, folder: Path) -> None:
        selection = artifacts.load_selection(artifacts.selection_path(METHOD, name))
        n_examples = round(epochs_for(selection.n_unique / pool.num_rows, params.finetune.epochs) * selection.n_unique)
        model = add_lora(load_base(params.tuned), params.tuned.lora, seed_of[name])
        losses = finetune(model, rows, static_schedule(selection, n_examples), params.finetune, params.tuned)
        save_adapter(model, folder)
        artifacts.save_array(folder / "loss.npy", losses)

    return tune


def main(params: Params) -> int:
    names = [run.name for run in runs_of(METHOD, params)]
    inputs = [params.finetune.model_dump(), params.tuned.model_dump(), artifacts.SELECTIONS / METHOD, artifacts.POOL, Path(params.tuned.path)]
    folders = shards.run(tuning, names, f"finetune_{METHOD}", inputs, f"fine-tune {METHOD}")
    artifacts.fresh(artifacts.ADAPTERS / METHOD)
    for name in names:
        folders[name].rename(artifacts.ADAPTERS / METHOD / name)
    shards.forget(f"finetune_{METHOD}")
    return sum(len(artifacts.load_array(artifacts.ADAPTERS / METHOD / name / "loss.npy")) for name in names) * params.finetune.batch_size


if __name__ == "__main__":
    run_stage(f"finetune@{METHOD}", main)
