"""What documents and code tell their reader can be followed (tests/documents.py, tests/commands.py)."""

from pathlib import Path

import pytest
from commands import CHECKS
from documents import code_faults, comments, faults, said, typed
from repository import DOCUMENTS

CODE = sorted(path for folder in ("src/cadc", "stages", "benchmarks") for path in Path(folder).rglob("*.py"))
COMMENTED = [
    Path("Makefile"),
    Path("dvc.yaml"),
    *sorted(Path("conf").rglob("*.yaml")),
    *sorted(Path("pipelines").glob("*/dvc.yaml")),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_a_document_says_can_be_followed(document):
    assert faults(document.read_text(), document) == []


def test_what_code_tells_its_reader_can_be_followed():
    assert [fault for path in CODE for text in said(path) for fault in code_faults(text, path)] == []


def test_what_comments_tell_can_be_followed():
    assert [fault for path in COMMENTED for fault in code_faults(comments(path), path)] == []


#: What a slip of the pen makes of a document's text, and the word by which the fault names it.
BROKEN = [
    ("README.md", "make doctor PROFILE", "make docter PROFILE", "docter"),
    ("README.md", "=smolvlm-256m DATA=folder", "=smolvlm-256m DATE=folder", "DATE"),
    ("README.md", 'SET="data.path=/data/mine"', 'SET="data.pth=/data/mine"', "data.pth"),
    ("README.md", "--budget 10% --target", "--budgte 10% --target", "--budgte"),
    ("README.md", "--method influence_coverage", "--method influence_cover", "influence_cover"),
    ("README.md", "dvc repro pipelines/ablations/", "dvc repro pipelines/ablation/", "pipelines/ablation/"),
    ("README.md", "influence_coverage.select.keep=", "influence_coverage.keep=", "arms.influence_coverage"),
    ("README.md", "`dvc metrics diff`", "`dvc metric diff`", "dvc metric"),
    ("README.md", "`make tables`", "`make table`", "make table"),
    ("README.md", "set: {select.keep: 0.5}", "set: {select.kept: 0.5}", "select.kept"),
    ("README.md", "`reports/index.html`", "`reports/index.htm`", "reports/index.htm"),
    ("README.md", "](docs/statistics.md)", "](docs/statistic.md)", "docs/statistic.md"),
    ("README.md", "source .venv/bin/activate ", "conda activate cadc ", "conda"),
    ("docs/quickstart.md", "dvc repro score@random ", "dvc repro score@rnd ", "score@rnd"),
    ("docs/pipeline.md", "real_runs.md#3-run", "real_runs.md#4-run", "4-run"),
    ("docs/pipeline.md", "`capture.update: sgd`", "`capture.updates: sgd`", "capture.updates"),
    ("docs/determinism.md", "python benchmarks/portable.py", "python benchmarks/portables.py", "portables.py"),
    ("docs/gradient_engine.md", "python benchmarks/gradients.py", "python benchmarks/gradients.py --row 3", "--row"),
    ("docs/costs.md", "`OPENAI_API_KEY`", "`OPENAI_KEY`", "OPENAI_KEY"),
    ("docs/costs.md", "writes `reports/costs.md`", "writes `reports/cost.md`", "reports/cost.md"),
    ("docs/cleaning.md", "`clean.pool: cleaned`", "`clean.pools: cleaned`", "clean.pools"),
    ("docs/world.md", "src/cadc/evaluation/gate.py", "src/cadc/evaluation/gates.py", "gates.py"),
    ("docs/clusters.md", "dvc --wait-for-lock repro", "dvc repro --wait-for-lock", "--wait-for-lock"),
    ("docs/clusters.md", "torchrun --nproc-per-node 8", "torchrun --nproc-per-gpu 8", "--nproc-per-gpu"),
    ("docs/clusters.md", "accelerate/ddp.yaml", "accelerate/dpp.yaml", "dpp.yaml"),
    ("docs/clusters.md", "CADC_WORKERS=4", "CADC_WORKER=4", "CADC_WORKER"),
    ("docs/clusters.md", "CADC_LAUNCHER=\"torchrun", "CADC_LAUNCHER=\"slurm", "slurm"),
    ("docs/real_runs.md", "-S data=llava-665k ", "-S data=llava-656k ", "llava-656k"),
    ("docs/real_runs.md", "python -m cadc.compose ", "python -m cadc.composed ", "cadc.composed"),
    ("docs/real_runs.md", "hf download openai/", "hf downlod openai/", "downlod"),
    ("docs/real_runs.md", "--local-dir data", "--local-folder data", "--local-folder"),
    ("docs/real_runs.md", "-S model.packing=false", "-S model.packing=true", "flash_attention_2"),
    ("docs/real_runs.md", "-S data.probe=/abs/benchmarks", "-S data.probe=data/benchmarks", "data/benchmarks"),
    ("docs/real_runs.md", "data.path=/abs/vision-flan-191k", "data.path=data/vision-flan-191k", "data/vision-flan"),
    ("docs/real_runs.md", "-S profile=smolvlm-256m,llava", "-S profile=smolvlm-256m,lava", "lava-1.5-7b"),
    ("docs/real_runs.md", ", tuned.watched: models/README.md", "", "HuggingFaceTB/SmolVLM-Instruct"),
    ("docs/real_runs.md", "dvc pull finetune@cadc", "dvc pull reports", "reports"),
    ("docs/real_runs.md", "-d store /shared/cadc", "-d store s3://bucket/cadc", "s3"),
    ("docs/real_runs.md", "`textvqa/train_images`", "`textvqa/images`", "textvqa/images"),
    ("docs/real_runs.md", "FOLDER/pope.jsonl", "FOLDER/pope.json", "pope.json"),
    ("docs/real_runs.md", "`llava-hf/llava-1.5-13b-hf`", "`liuhaotian/llava-v1.5-13b`", "liuhaotian"),
    ("docs/real_runs.md", "git clone REPOSITORY", "git clown REPOSITORY", "clown"),
    ("docs/real_runs.md", "dvc queue start ", "dvc queue go ", "queue go"),
    ("docs/real_runs.md", "dvc metrics diff &&", "sbatch run.sh &&", "sbatch"),
    ("docs/clusters.md", "sbatch docs/slurm.sbatch", "sbatch docs/slurm.sh", "slurm.sh"),
    ("docs/clusters.md", "--node-rank 0", "--node_number 0", "--node_number"),
    ("docs/clusters.md", "dvc commit --force attribute", "dvc commit --force atribute", "atribute"),
    ("docs/data.md", "`pool.repeated_ids: number`", "`pool.repeated_ids: numbers`", "numbers"),
    ("docs/new_model.md", "`model.chat_template`, a file", "`model.template`, a file", "model.template"),
    ("docs/data.md", "`pool.on_bad_row: fail`", "`pool.on_bad_row: leave`", "leave"),
    ("docs/data.md", "`artifacts/pool/skipped.json`", "`artifacts/pool/left_out.json`", "left_out"),
    ("data/README.md", "`dvc repro prepare`", "`dvc repro prepared`", "prepared"),
]  # fmt: skip


@pytest.mark.parametrize("name, right, wrong, word", BROKEN)
def test_a_slip_is_found(name, right, wrong, word):
    text = Path(name).read_text()
    assert right in text
    assert word in "\n".join(faults(text.replace(right, wrong), Path(name)))


@pytest.mark.parametrize("block", ["kubectl apply -f job", "qsub run.sh", "./train.sh --all", "pip install cadc"])
def test_a_command_that_no_check_knows_is_a_fault(block):
    for text in (f"```\n{block}\n```\n", f"Then `{block}` does it.\n"):
        (fault,) = faults(text, Path("README.md"))
        assert block in fault and block.split()[0] not in CHECKS


def test_commands_in_code_and_comments_are_found():
    text = "How:\n\n    dvc repro prepared   # pool\n    CADC_WORKER=2 dvc repro\n\nOr `make\nrepo`, `-S data=none`."
    assert len(list(typed(text))) == len(code_faults(text, Path("stages/x.py"))) == 4
    assert all(
        any(typed(text) for text in said(path))
        for path in (Path("stages/prepare.py"), Path("src/cadc/compute/launch.py"))
    )
    assert any(typed(comments(path)) for path in COMMENTED if path.parent.name == "accelerate")
