"""Selection methods: one module each, found by its file name.

A method is a module `cadc.selectors.NAME`. An arm names it by its file name (`method: NAME`), by which `loading` finds
it. Nothing is registered. It has

    Params      its parameters, a `Section`: exactly the keys of an arm's `select`.
    select      select(measured, n, params, rng) -> Selection: `n` different rows, in the order they are trained on.

and may have

    measure     measure(signal, params) -> measured: what depends neither on the budget nor on the seed (a clustering, a
                graph, a score). It runs once, and `select` gets its result for every budget and seed. Without it,
                `select` gets the signal itself.
    plan        plan(measured, params) -> (Plan, cluster int [n_rows]): the method goes on choosing while the model
                trains. `select` then returns the first rows alone, at most `n`; the rounds of `cadc.training.adaptive`
                choose the others by the plan and these clusters.

What a method may see is a `Signal`: arrays of the one artifact that the arm's `signal` names, the rows' sources and the
number of words in their answers. It reads no file, runs no model and sees no label of the test world.

Four rules hold for every method, and `tests/unit/test_every_selector.py` tries them all:

- The budget is exact. No row stands twice.
- Ties go by row: the lower row first. All draws come from `rng`. The same input gives the same bytes.
- Degenerate input is handled: constant scores, zero vectors, rows without an image, clusters smaller than their share.
- No method imports another. What several share stands in `cadc.selectors.shared` and in `cadc.curation`.
"""
