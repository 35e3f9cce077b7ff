"""Fixed phrases of LLaVA's data format and of lmms-eval's task prompts."""

IMAGE_TOKEN = "<image>"  # marks an image's position in a turn (LLaVA's format)
SHORT_ANSWER = "Answer the question using a single word or phrase."  # LLaVA-1.5; POPE's task
MMT_LETTER = "Answer the question using a single character from the given options."  # MMT-Bench's task
LLAVA_LETTER = "Answer with the option's letter from the given choices directly."  # LLaVA-1.5


def question_alone(text: str) -> str:
    """A benchmark's question without `<image>` (MMT-Bench's prompt contains it): images are shown before the text."""
    return text.replace(IMAGE_TOKEN, "").strip()
