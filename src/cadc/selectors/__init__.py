"""Selection methods: one module each, found by its file name.

An arm names its method by file name (`method: NAME`), and `loading` imports `cadc.selectors.NAME`. There is no
registry. A method has

    Params      its parameters, a `Section`: exactly the keys of an arm's `select`.
    select      select(measured, n, params, rng) -> Selection: `n` distinct rows in training order.

and may have

    measure     measure(signal, params) -> measured: whatever depends neither on the budget nor on the seed (a
                clustering, a graph, a score). It runs once, and `select` gets its result for every budget and seed.
                Without it, `select` gets the signal itself.
    plan        plan(measured, params) -> (Plan, cluster int [n_rows]): for methods that keep selecting during training.
                `select` then returns only the first rows, at most `n`; the rounds of `cadc.training.adaptive` select
                the others with the plan and these clusters.

A method only sees a `Signal`: the arrays of the artifact that the arm's `signal` names, the source of each row, and the
number of words in its answers. It reads no file, runs no model and sees no label of the test world.

Every method follows four rules, and `tests/unit/test_every_selector.py` checks them:

- The budget is exact. No row occurs twice.
- Ties are broken by row, lowest first. All randomness comes from `rng`. The same input gives the same bytes.
- Degenerate input is handled: constant scores, zero vectors, rows without an image, clusters smaller than their share.
- No method imports another. Shared code is in `cadc.selectors.shared` and in `cadc.curation`.
"""
