"""PreSel: tasks. Its formulas and its authors' output: tests/golden/test_presel.py."""

import numpy as np
from test_every_selector import make_signal, selector_of

from cadc.selectors.signal import Signal


def test_a_source_without_images_is_no_task_of_presel():
    """Its budgets and temperature go by the tasks that it chooses from."""
    given, (selector, own) = make_signal("generic"), selector_of("presel")
    at = np.arange(given.n_rows)
    shows, ratio = at % 4 > 0, np.where(at % 7 == 1, 0.5 + at / given.n_rows, 0).astype(np.float32)
    arrays = {**given.arrays, "shows": shows, "ratio": ratio * shows}
    mixed = Signal(given.n_rows, np.where(shows, given.task, "text"), arrays)
    of_all, of_pictured = (selector.measure(one, own) for one in (mixed, mixed.of_rows(np.flatnonzero(shows))))
    assert len(set(of_all.importance)) == 3 and of_all.importance.tolist() == of_pictured.importance.tolist()
