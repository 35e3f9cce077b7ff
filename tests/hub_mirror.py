"""Rows of every benchmark of the catalogue in the schema of the hub, a mirror of them on disk, and a model that says
what a test wants."""

import datasets
import pyarrow as pa
from datasets import Features, Image, List, Value
from lmms_eval.api.model import lmms
from PIL import Image as Picture

from cadc.evaluation.catalogue import needs
from cadc.evaluation.samples import sample_rows, sample_schema

COLORS = ("red", "green", "blue", "white")
PERCEPTION = ("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR")
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
IMAGE, TEXT, INT = Image(), Value("string"), Value("int32")


def texts(*names):
    return dict.fromkeys(names, TEXT)


def picture(i):
    return Picture.new("RGB", (24, 24), COLORS[i % 4])


def yesno(i):
    return "Yes" if i % 2 else "No"


def letter(i):
    return "ABCD"[i % 4]


def open_rows(n, make):
    return [{"question_id": i, "question": f"what color is {i} ?", "image": picture(i), **make(i)} for i in range(n)]


ASKED = {"question_id": INT, **texts("question"), "image": IMAGE}
YESNO = {**texts("question_id", "question", "answer", "category"), "image": IMAGE}
POPE = (
    {**YESNO, "image_source": TEXT},
    [
        {
            "question_id": str(i),
            "question": "is there a cat ?",
            "answer": yesno(i).lower(),
            "category": "x",
            "image_source": f"COCO_val2014_{i // 2:012d}",
            "image": picture(i // 2),
        }
        for i in range(8)
    ],
)
MMBENCH = (
    {
        "index": INT,
        **texts("question", "hint", "answer", *"ABCD", "category", "source", "L2-category", "comment", "split"),
        "image": IMAGE,
    },
    [  # six questions, each in two orders of its options; the last has two options
        {
            "index": i + 1_000_000 * turn, "question": f"q{i}", "hint": "h" if i else None,
            "answer": letter((i + turn) % (2 if i == 5 else 4)),
            **{c: f"thing{k}" if k < 2 or i < 5 else None for k, c in enumerate("ABCD")},
            "category": f"c{i % 2}", "source": "s", "L2-category": "l", "comment": "", "split": "dev",
            "image": picture(i),
        }
        for turn in (0, 1) for i in range(6)
    ],
)  # fmt: skip
CMMMU_TYPES = ("选择", "判断", "填空")
MIRROR = {  # (repository's config, split) of each task -> columns and rows as the hub has them
    "pope": POPE,
    "pope_adv": POPE,
    "pope_pop": (POPE[0], POPE[1][::-1]),  # splits need not have their images in one order
    "pope_random": POPE,
    "mmt_val": (
        {
            "index": INT,
            **texts("question", *"ABCDEFGHI", "answer", "category", "l2-category", "split"),
            "image": IMAGE,
        },
        [
            {
                "index": i, "question": "which ?", **dict(zip("ABCD", COLORS, strict=True)), "answer": letter(i),
                "category": f"s{i % 3}", "l2-category": f"m{i % 2}", "split": "VAL", "image": picture(i),
            }
            for i in range(8)
        ],
    ),
    "mini_vqa": (
        {**texts("question_id", "question", "answer", "category", "l2-category"), "image": IMAGE},
        [
            {
                "question_id": str(i), "question": "which ?", "answer": COLORS[i % 4], "category": "c",
                "l2-category": "m", "image": picture(i),
            }
            for i in range(4)
        ],
    ),
    "llava_in_the_wild": (
        {
            "question_id": Value("int8"),
            **texts("question", "category", "gpt_answer", "caption", "image_id"),
            "image": IMAGE,
        },
        [
            {
                "question_id": i, "question": "what ?", "category": ("conv", "detail", "complex")[i % 3],
                "gpt_answer": f"it is {COLORS[i % 4]}", "caption": "a wall", "image_id": f"{i // 3:03d}.jpg",
                "image": picture(i),
            }
            for i in range(6)
        ],
    ),
    "vqav2_val": (
        {
            **ASKED, **texts("question_type", "multiple_choice_answer", "answer_type"), "image_id": INT,
            "answers": List({"answer": TEXT, "answer_confidence": TEXT, "answer_id": Value("int64")}),
        },
        open_rows(6, lambda i: {
            "question_type": "what", "multiple_choice_answer": COLORS[i % 4], "answer_type": ("other", "number")[i % 2],
            "image_id": i,
            "answers": [{"answer": COLORS[i % 4], "answer_confidence": "yes", "answer_id": k} for k in range(1, 11)],
        }),
    ),
    "gqa": (
        texts("id", "imageId", "question", "answer", "fullAnswer"),
        [
            {
                "id": str(i), "imageId": f"n{i % 2}", "question": "which ?", "answer": COLORS[i % 4],
                "fullAnswer": "it is",
            }
            for i in range(6)
        ],
    ),
    "vizwiz_vqa_val": (
        {**texts("question_id", "question", "category"), "answers": List(TEXT), "image": IMAGE},
        [
            {
                "question_id": f"VizWiz_{i}", "question": "what is it ?", "category": "other",
                "answers": [COLORS[i % 4]] * 10, "image": picture(i),
            }
            for i in range(6)
        ],
    ),
    "scienceqa_img": (
        {
            **texts("question", "hint", "task", "grade", "subject", "topic"), "choices": List(TEXT),
            "answer": Value("int8"), "image": IMAGE,
        },
        [
            {
                "question": "which ?", "hint": "look" if i else "", "task": "t", "grade": "g", "subject": "s",
                "topic": f"t{i % 2}", "choices": list(COLORS[: 2 + i % 3]), "answer": i % 2, "image": picture(i),
            }
            for i in range(6)
        ],
    ),
    "textvqa_val": (
        {**ASKED, **texts("image_id"), "ocr_tokens": List(TEXT), "answers": List(TEXT)},
        open_rows(6, lambda i: {
            "image_id": f"{i // 2:016x}", "ocr_tokens": [], "answers": [COLORS[i % 4]] * 10,
        }),
    ),
    "mme": (
        YESNO,
        [
            {
                "question_id": f"{name}/{k}.png", "question": "is it ? Please answer yes or no.",
                "answer": yesno(turn), "category": name, "image": picture(k),
            }
            for turn in (0, 1) for name in PERCEPTION + COGNITION for k in range(2)
        ],
    ),
    "mmbench_en_dev_static": MMBENCH,
    "mmbench_cn_dev_static": MMBENCH,
    "seedbench": (
        {
            **texts("question_id", "question", *(f"choice_{x}" for x in "abcd"), "answer", "data_type"),
            "question_type_id": INT, "image": List(IMAGE),
        },
        [
            {
                "question_id": str(i), "question": "which ?",
                **{f"choice_{x}": COLORS[k] for k, x in enumerate("abcd")}, "answer": letter(i),
                "data_type": ("image", "video")[i % 2], "question_type_id": i % 3,
                "image": [picture(k) for k in range(1 + 2 * (i % 2))],
            }
            for i in range(6)
        ],
    ),
    "ai2d": (
        {**texts("question", "answer"), "options": List(TEXT), "image": IMAGE},
        [
            {"question": "which ?", "answer": str(i % 4), "options": list(COLORS), "image": picture(i)}
            for i in range(6)
        ],
    ),
    "chartqa": (
        {**texts("type", "question", "answer"), "image": IMAGE},
        [
            {
                "type": ("human_test", "augmented_test")[i % 2], "question": "how many ?",
                "answer": ("14", "red")[i % 2], "image": picture(i),
            }
            for i in range(6)
        ],
    ),
    "cmmmu_val": (
        {
            **texts("id", "type", "question", "answer", "subcategory", "category"),
            **texts(*(f"option{i}" for i in range(1, 5)), *(f"image_{i}_filename" for i in range(1, 6))),
            **{f"image_{i}": IMAGE for i in range(1, 6)},
        },
        [
            {
                "id": str(i), "type": CMMMU_TYPES[i % 3],
                "question": "".join(f'<img="p{k}.png">' for k in range(1, 1 + i // 3)) + "是什么?",
                "answer": ("B", "对", "苹果")[i % 3], "subcategory": ("会计", "艺术")[i % 2], "category": "x",
                **{f"option{k}": f"选项{k}" for k in range(1, 5)},
                **{f"image_{k}_filename": f"p{k}.png" for k in range(1, 6)},
                **{f"image_{k}": picture(k) if k <= i // 3 else None for k in range(1, 6)},
            }
            for i in range(9)
        ],
    ),
    "hallusion_bench_image": (
        {
            **texts("category", "subcategory", "visual_input", "set_id", "figure_id", "sample_note", "question_id"),
            **texts("question", "gt_answer_details", "gt_answer", "filename"), "image": IMAGE,
        },
        [
            {
                "category": category, "subcategory": "chart", "visual_input": "1", "set_id": str(i % 2),
                "figure_id": str(figure), "question_id": str(i // 2), "question": "is it ?", "gt_answer": str(i % 2),
                "gt_answer_details": f"the wall is {yesno(i)}", "image": picture(i),
            }
            for category, first in (("VD", 0), ("VS", 1)) for figure in (first, first + 1) for i in range(4)
        ],
    ),
}  # fmt: skip


def write(root, task, table, sets=None):
    """One task's rows, in the folder, config and split that the task reads, or in those of `sets`."""
    data, *apart = sets or needs(task)
    kinds, rows = table
    features = Features(kinds)
    made = datasets.Dataset.from_list([{name: row.get(name) for name in kinds} for row in rows], features=features)
    folder = data.folder(root) / (data.config or "data")
    folder.mkdir(parents=True, exist_ok=True)
    made.to_parquet(folder / f"{data.split}-00000-of-00001.parquet")
    for pictures in apart:
        images = datasets.Dataset.from_list(
            [{"id": f"n{i}", "image": picture(i)} for i in range(2)], features=Features({"id": TEXT, "image": IMAGE})
        )
        (data.folder(root) / pictures.config).mkdir()
        images.to_parquet(data.folder(root) / pictures.config / f"{pictures.split}-00000-of-00001.parquet")
    configs = sorted(path.name for path in data.folder(root).iterdir() if path.is_dir())
    lines = ["---", "configs:"]
    for config in configs:
        lines += [f"- config_name: {'default' if config == 'data' else config}", "  data_files:"]
        for file in sorted((data.folder(root) / config).iterdir()):
            lines += [f"  - split: {file.name.split('-')[0]}", f"    path: {config}/{file.name}"]
    (data.folder(root) / "README.md").write_text("\n".join([*lines, "---", ""]))


class Replies(lmms):
    """A model that gives `said(task, document, its number)`."""

    is_simple = False

    def __init__(self, said):
        super().__init__()
        self.said = said

    def generate_until(self, requests):
        out = []
        for request in requests:
            _, _, _, doc_id, task, split = request.args
            out.append(self.said(task, self.task_dict[task][split][doc_id], doc_id))
        return out

    loglikelihood = generate_until_multi_round = None  # no task here asks for them

    def clean(self):
        pass


def table_of(samples):
    rows = [row for task in sorted(samples) for row in sample_rows(task, samples[task])]
    return pa.Table.from_pylist(rows, schema=sample_schema(list(samples)))
