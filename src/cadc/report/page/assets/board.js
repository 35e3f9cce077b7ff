// The leaderboard, costs, budgets, selected rows, and capabilities.

const BOARD = DATA.board,
  ARMS = BOARD.arms;
const TITLES = Object.fromEntries(BOARD.columns.map(({ name, title }) => [name, title]));
const named = Object.fromEntries(ARMS.map((arm) => [arm.arm, arm]));
let figure = BOARD.judged;

const estimate = (arm, name = figure) => {
  const [mean, sd, low, high] = arm.figures[name];
  return { mean, sd, low, high };
};
const randomAt = (budget) => ARMS.find((arm) => arm.method === "random" && arm.budget === budget);
function band(arm) {
  const random = randomAt(arm.budget),
    found = random && estimate(random);
  return found && found.low !== null ? [found.low, found.high] : null;
}
const between = (low, high, show = number) => (low === null ? "" : `${show(low)} to ${show(high)}`);

const plain = ({ name, title }) => ({
  title: `${title}${title.includes("%") ? "" : " %"}`,
  by: (arm) => arm.figures[name][0],
  text: (arm) => {
    const { mean, sd } = estimate(arm, name);
    return [number(mean), sd === null ? "" : h("small", {}, ` ± ${number(sd)}`)];
  },
});
// Columns of the leaderboard: cell content and sort key (null sorts last).
const COLUMNS = [
  { title: "arm", text: (arm) => arm.label, by: (arm) => arm.label },
  { title: "rows", text: (arm) => percent(arm.budget), by: (arm) => arm.budget },
  ...BOARD.columns.filter(({ name }) => name === BOARD.judged).map(plain),
  {
    title: "95% interval",
    by: (arm) => arm.figures[BOARD.judged][2],
    text: (arm) => between(...arm.figures[BOARD.judged].slice(2)),
  },
  {
    title: `over ${BOARD.first}, points`,
    by: (arm) => arm.difference && arm.difference[0],
    text: (arm) =>
      arm.difference
        ? [
            signed(arm.difference[0]),
            arm.difference[1] === null
              ? ""
              : h("small", {}, ` (${between(arm.difference[1], arm.difference[2], signed)})`),
          ]
        : "",
  },
  ...BOARD.columns.filter(({ name }) => name !== BOARD.judged).map(plain),
  { title: "TFLOP", by: (arm) => arm.cost && arm.cost[2], text: (arm) => (arm.cost ? tera(arm.cost[2]) : "") },
];
const sorting = { column: 2, down: true };

function sorted() {
  const { by } = COLUMNS[sorting.column],
    side = sorting.down ? -1 : 1;
  return [...ARMS].sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return side * (typeof x === "string" ? x.localeCompare(y, "en") : x - y);
  });
}

function drawBoard(focus) {
  const heads = COLUMNS.map((column, i) => {
    const now = i === sorting.column;
    const sort = () => {
      sorting.down = now ? !sorting.down : i > 0;
      sorting.column = i;
      drawBoard(i);
    };
    return h(
      "th",
      { scope: "col", "aria-sort": now ? (sorting.down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", onclick: sort }, column.title),
    );
  });
  const body = sorted().map((arm) =>
    h(
      "tr",
      {},
      COLUMNS.map((column, i) => h(i ? "td" : "th", i ? {} : { scope: "row" }, column.text(arm))),
    ),
  );
  $("board").replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body)));
  if (focus !== undefined) $("board").querySelectorAll("th button")[focus].focus();
}

function drawCosts() {
  const whole = ARMS.find((arm) => arm.whole && arm.cost),
    body = [...ARMS]
      .filter((arm) => arm.cost)
      .map((arm) => [
        arm.title,
        ...arm.cost.map(tera),
        whole ? percent(arm.cost[2] / whole.cost[1]) : "",
        number(arm.figures[BOARD.judged][0]),
      ]);
  $("cost-table").replaceChildren(
    table(
      ["arm", "selection, TFLOP", "one fine-tuning, TFLOP", "total, TFLOP", "total / full data", TITLES[BOARD.judged]],
      body,
    ),
  );
}

// One line per label through its budgets, and a dashed line on to full data, where all methods are the same.
function budgetLines() {
  const whole = ARMS.find((arm) => arm.whole),
    labels = [...new Set(ARMS.filter((arm) => !arm.whole).map((arm) => arm.label))];
  return labels.map((label) => {
    const own = ARMS.filter((arm) => arm.label === label && !arm.whole).sort((a, b) => a.budget - b.budget);
    const points = own.map((arm) => ({ x: 100 * arm.budget, ...estimate(arm) }));
    return { title: label, points: whole ? [...points, { x: 100, ...estimate(whole) }] : points, own: own.length };
  });
}

function drawShares() {
  const { names, pool, arms } = DATA.composition[$("grouping").value];
  const cell = (share, i) => {
    const times = pool[i] ? share / pool[i] : 1,
      kind = times >= 1.25 ? "more" : times <= 0.8 ? "less" : "";
    return h(
      "td",
      { title: pool[i] ? `${number(times, 2)} times the pool's share` : null },
      h("span", { class: `mark ${kind}` }, number(share)),
    );
  };
  $("shares").replaceChildren(
    table(
      ["", ...names],
      [["pool", ...pool.map((share) => number(share))], ...ARMS.map((arm) => [arm.title, ...arms[arm.arm].map(cell)])],
    ),
  );
}

const picture = (address, text) => {
  const image = h("img", { src: address, alt: text });
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 100));
  return image;
};

function capabilityPanel(one, c) {
  const words = one.words.map((word, i) => [h("span", { class: `w${Math.min(Math.floor(i / 2), 4)}` }, word), " "]);
  const examples = one.examples.map((row) =>
    h(
      "li",
      {},
      row.picture ? picture(row.picture, "") : h("span", { class: "none" }, "no picture"),
      h("div", {}, row.question),
      h("div", {}, h("strong", {}, row.answer)),
      h("div", { class: "soft" }, `influence ${row.influence}`),
    ),
  );
  const count = one.families.reduce((sum, [, names]) => sum + names.length, 0);
  return h(
    "article",
    { class: "panel" },
    h("h4", {}, `Capability ${c}`),
    h("p", { class: "soft" }, `rows: ${number(one.share)}% of the pool; ${count} subtasks`),
    h("p", { class: "words" }, words),
    h(
      "details",
      {},
      h("summary", {}, "Subtasks, by meta-task"),
      h(
        "ul",
        {},
        one.families.map(([family, names]) => h("li", {}, h("strong", {}, family), `: ${names.join(", ")}`)),
      ),
    ),
    h("details", { open: true }, h("summary", {}, "Most influential rows"), h("ul", { class: "examples" }, examples)),
  );
}

function drawCapabilities() {
  $("found").replaceChildren(
    ...DATA.capabilities.flatMap((found, i) => {
      const stable = found.stability.map((one) => [
        String(one.tau),
        String(one.resolution),
        String(one.capabilities),
        one.ari === null ? "" : number(one.ari, 2),
        String(one.runs),
        one.chosen ? "yes" : "",
      ]);
      return [
        h("h3", {}, found.name),
        h("div", { class: "grid-of" }, found.capabilities.map(capabilityPanel)),
        h(
          "figure",
          {},
          h("div", { class: "chart", id: `trend-${i}` }),
          h("figcaption", {}, "Mean self-influence of each capability's rows at the proxy run's snapshots."),
        ),
        h(
          "details",
          {},
          h("summary", {}, "Stability"),
          h(
            "div",
            { class: "wide", role: "region", tabindex: "0", "aria-label": `Stability, ${found.name}` },
            table(["tau", "resolution", "capabilities", "ARI", "proxy runs", "chosen"], stable),
          ),
        ),
      ];
    }),
  );
  DATA.capabilities.forEach((found, i) =>
    chart(`trend-${i}`, (width) =>
      lineChart(
        width,
        found.capabilities.map((one, c) => ({
          title: `capability ${c}`,
          points: one.trend.map((mean, t) => ({ x: found.steps[t], mean })),
        })),
        { title: "self-influence", xTitle: "proxy step", logY: true, height: 240 },
      ),
    ),
  );
}

const seeds = [...new Set(ARMS.map((arm) => arm.seeds.length))].sort((a, b) => a - b);
const seedsEach = `${seeds.length > 1 ? `${seeds[0]} to ` : ""}${seeds.at(-1)} seed${seeds.at(-1) > 1 ? "s" : ""} each`;
$("about").textContent =
  `${ARMS.length} arms, ${seedsEach}, on the ${BOARD.split} split; ` +
  `a pool of ${thousands(DATA.pool.rows)} rows, ${thousands(DATA.pool.skipped)} skipped when it was read.`;
options(
  $("figure"),
  BOARD.columns.map(({ name, title }) => [name, title]),
  figure,
);
$("figure").addEventListener("change", (event) => {
  figure = event.target.value;
  redrawn();
});
options(
  $("grouping"),
  DATA.composition.map(({ title }, i) => [String(i), title]),
  "0",
);
$("grouping").addEventListener("change", drawShares);
drawBoard();
drawCosts();
drawShares();
drawCapabilities();
chart("intervals", (width) =>
  intervalChart(
    width,
    [...ARMS]
      .sort((a, b) => b.budget - a.budget || estimate(b).mean - estimate(a).mean)
      .map((arm) => ({ title: arm.title, ...estimate(arm), runs: arm.runs[figure], band: band(arm) })),
    TITLES[figure],
  ),
);
chart("scatter", (width) => {
  const budgets = [...new Set(ARMS.filter((arm) => !arm.whole).map((arm) => arm.budget))],
    random = budgets.length === 1 && randomAt(budgets[0]);
  return scatterChart(
    width,
    ARMS.filter((arm) => arm.cost).map((arm) => ({ title: arm.title, cost: arm.cost[2], ...estimate(arm) })),
    random ? band(random) : null,
    TITLES[figure],
  );
});
chart("curve", (width) => {
  const lines = budgetLines();
  return lines.length
    ? lineChart(width, lines, {
        title: TITLES[figure],
        xTitle: "rows, % of the pool",
        xTicks: [...new Set(lines.flatMap((line) => line.points.map((point) => point.x)))].sort((a, b) => a - b),
      })
    : h("p", {}, "All arms train on all rows.");
});
