// The row browser, and the comparison of two arms.

const { rows: ROWS, pictures: PICTURES, groups: GROUPS, scores: SCORES } = DATA.browser;
const CHOOSERS = ARMS.filter((arm) => DATA.pool.chosen[arm.arm] < DATA.pool.rows);
const PAGE = 24;
const byNumber = new Map(ROWS.map((row) => [row.row, row]));
const searched = ROWS.map((row) => [row.id, ...row.turns.map(([, text]) => text)].join("\n").toLowerCase());
const firstOf = (row, role) => (row.turns.find(([who]) => who === role) ?? ["", ""])[1];
// Selected by the arm's first seed, as in the counts. Otherwise only another seed selected the row.
const chose = (arm, row) => row.picked[arm] !== undefined && row.picked[arm][4] === 1;

let listed = ROWS,
  page = 0,
  open = null;

function card(row) {
  const by = CHOOSERS.filter((arm) => row.picked[arm.arm]).map((arm) => arm.title);
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", "data-row": row.row, onclick: () => show(row.row) },
      row.pictures.length ? picture(PICTURES[row.pictures[0]], "") : h("span", { class: "none" }, "no picture"),
      h("span", { class: "said" }, firstOf(row, "user")),
      h("strong", { class: "said" }, firstOf(row, "assistant")),
      h("span", { class: "by" }, by.length ? `selected by ${by.join("; ")}` : "selected by no arm"),
    ),
  );
}

const filters = [
  [
    "search",
    h("input", { type: "search", id: "search", placeholder: "text or id" }),
    (value, row, i) => searched[i].includes(value.toLowerCase()),
  ],
  [
    "selected by",
    h("select", { id: "by" }),
    (value, row) => (value === "nobody" ? !CHOOSERS.some((arm) => row.picked[arm.arm]) : chose(value.slice(1), row)),
  ],
  ["not selected by", h("select", { id: "left" }), (value, row) => !row.picked[value.slice(1)]],
  ...GROUPS.map((title, g) => [
    title,
    h("select", { id: `group-${g}` }),
    (value, row) => row.groups[g] === value.slice(1),
  ]),
];

function listRows() {
  const asked = filters.filter(([, input]) => input.value !== "");
  listed = ROWS.filter((row, i) => asked.every(([, input, holds]) => holds(input.value, row, i)));
  page = 0;
  drawPage();
}
function drawPage() {
  const last = Math.max(Math.ceil(listed.length / PAGE) - 1, 0),
    from = page * PAGE;
  $("cards").replaceChildren(...listed.slice(from, from + PAGE).map(card));
  $("count").textContent = listed.length
    ? `${thousands(listed.length)} rows; ${from + 1} to ${Math.min(from + PAGE, listed.length)} shown`
    : "No row matches.";
  const go = (title, to, off) =>
    h(
      "button",
      {
        type: "button",
        disabled: off,
        onclick: () => {
          page = to;
          drawPage();
          $("rows").scrollIntoView();
        },
      },
      title,
    );
  $("pages").replaceChildren(
    go("Previous page", page - 1, page === 0),
    h("span", {}, `page ${page + 1} of ${last + 1}`),
    go("Next page", page + 1, page === last),
  );
}

function facts(row) {
  const said = [["number", String(row.row)], ...GROUPS.map((title, g) => [title, row.groups[g] || "none"])];
  if (row.flags) said.push(["flagged by cleaning", row.flags.join(", ") || "no"]);
  return h(
    "dl",
    {},
    said.map(([title, value]) => [h("dt", {}, title), h("dd", {}, value)]),
  );
}
function choosers(row) {
  return table(
    ["selected by", "seeds", "position in training", "stage", "capability"],
    ARMS.map((arm) => {
      const found = row.picked[arm.arm];
      if (!found) return [arm.title, "none", "", "", ""];
      const [n, place, stage, capability] = found;
      return [
        arm.title,
        `${n} of ${arm.seeds.length}`,
        thousands(place),
        String(stage + 1),
        capability < 0 ? "" : String(capability),
      ];
    }),
  );
}
function likeRows(row) {
  return h(
    "ul",
    { class: "near" },
    row.near.map(([other, id, cosine]) => {
      const found = byNumber.get(other),
        said = `${id}, cosine ${number(cosine, 3)}${cosine >= 0.9995 ? ": a duplicate by its embeddings" : ""}`;
      return h(
        "li",
        {},
        found ? h("button", { type: "button", onclick: () => show(other) }, said) : `${said} (not in this sample)`,
      );
    }),
  );
}

// Open the dialog of a row. The URL then names the row, and opening such a URL opens the dialog.
function show(number_, keep = false) {
  const row = byNumber.get(number_),
    dialog = $("row");
  if (!row) return;
  open = number_;
  const pressed = dialog.contains(document.activeElement) ? document.activeElement.textContent : "";
  const at = listed.indexOf(row),
    step = (title, i) =>
      h("button", { type: "button", disabled: at < 0 || !listed[i], onclick: () => show(listed[i].row) }, title);
  refill(
    dialog,
    h(
      "div",
      { class: "bar-of" },
      step("Previous row", at - 1),
      step("Next row", at + 1),
      h("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, "Close"),
    ),
    h("h3", { id: "row-title" }, `Row ${row.id}`),
    h(
      "div",
      { class: "pictures" },
      row.pictures.map((place, i) => picture(PICTURES[place], `picture ${i + 1} of row ${row.id}`)),
      row.more ? h("p", {}, `and ${row.more} more images`) : null,
    ),
    row.turns.map(([role, text]) =>
      h("p", { class: `turn ${role === "assistant" ? "assistant" : "other"}` }, h("strong", {}, role), text),
    ),
    h("h4", {}, "Selected by"),
    h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Selected by" }, choosers(row)),
    SCORES.length
      ? [
          h("h4", {}, "Scores"),
          h(
            "div",
            { class: "wide", tabindex: "0", role: "region", "aria-label": "Scores" },
            table(
              ["", "value", "percentile in the pool"],
              SCORES.map((title, i) => [title, String(row.scores[i][0]), number(row.scores[i][1])]),
            ),
          ),
        ]
      : null,
    h("h4", {}, "Attributes"),
    facts(row),
    row.near.length ? [h("h4", {}, "Nearest rows in the pool"), likeRows(row)] : null,
  );
  if (!dialog.open) dialog.showModal();
  // The pressed button was replaced: focus its successor, so that keyboard navigation goes on.
  const buttons = [...dialog.querySelectorAll(".bar-of button:enabled")];
  (buttons.find((button) => button.textContent === pressed) ?? buttons.at(-1)).focus();
  dialog.scrollTop = 0;
  if (!keep) history.replaceState(null, "", `#row=${number_}`);
}
$("row").addEventListener("close", () => {
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector(`[data-row="${open}"]`)?.focus();
});
$("row").addEventListener("keydown", (event) => {
  const at = listed.indexOf(byNumber.get(open)),
    to = { ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
  if (at >= 0 && to !== undefined && listed[to] && !event.target.closest(".wide")) {
    event.preventDefault();
    show(listed[to].row);
  }
});
function ofAddress() {
  const found = /^#row=(\d+)$/.exec(location.hash);
  if (found) show(Number(found[1]), true);
}
addEventListener("hashchange", ofAddress);

// Two arms: A, and B or the rows that A left out.
let beside = 6;
function compare() {
  const a = $("one").value,
    b = $("other").value,
    rest = b === "";
  const only = ROWS.filter((row) => chose(a, row) && (rest || !chose(b, row)));
  const other = ROWS.filter((row) => !chose(a, row) && (rest ? !row.picked[a] : chose(b, row)));
  const n = DATA.pool.chosen,
    pair = DATA.overlaps.find(([x, y]) => (x === a && y === b) || (x === b && y === a));
  const title = (name) => named[name].title;
  $("only-one").textContent = rest ? `Selected by ${title(a)}` : `Only ${title(a)}`;
  $("only-other").textContent = rest ? `Not selected by ${title(a)}` : `Only ${title(b)}`;
  if (rest)
    $("overlap").textContent =
      `${title(a)} selected ${thousands(n[a])} rows and left out ${thousands(DATA.pool.rows - n[a])}.`;
  else if (a === b) $("overlap").textContent = "A and B are the same arm.";
  else {
    const [x, , both, first, second] = pair,
      [mine, yours] = x === a ? [first, second] : [second, first];
    $("overlap").textContent =
      `${thousands(both)} rows in both, ${thousands(mine)} only in ${title(a)}, ` +
      `${thousands(yours)} only in ${title(b)}.`;
  }
  $("cards-one").replaceChildren(...only.slice(0, beside).map(card));
  $("cards-other").replaceChildren(...other.slice(0, beside).map(card));
  $("more").disabled = Math.max(only.length, other.length) <= beside;
}

$("sample").textContent =
  ROWS.length < DATA.pool.rows
    ? `A sample: ${thousands(ROWS.length)} of ${thousands(DATA.pool.rows)} rows, about as many from each arm as from ` +
      "the rows that no arm selected. The counts and shares above cover all rows."
    : `All ${thousands(ROWS.length)} rows of the pool.`;
$("filters").append(...filters.map(([title, input]) => h("label", {}, title, input)));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", listRows);
options(
  $("by"),
  [["", "any"], ["nobody", "no arm"], ...CHOOSERS.map((arm) => [`=${arm.arm}`, arm.title])],
  "",
);
options($("left"), [["", "any"], ...CHOOSERS.map((arm) => [`=${arm.arm}`, arm.title])], "");
GROUPS.forEach((title, g) =>
  options(
    $(`group-${g}`),
    [["", "any"], ...[...new Set(ROWS.map((row) => row.groups[g]))].sort().map((name) => [`=${name}`, name || "none"])],
    "",
  ),
);
listRows();
if (CHOOSERS.length) {
  options(
    $("one"),
    CHOOSERS.map((arm) => [arm.arm, arm.title]),
    CHOOSERS[0].arm,
  );
  options($("other"), [["", "rows not in A"], ...CHOOSERS.map((arm) => [arm.arm, arm.title])], "");
  for (const id of ["one", "other"])
    $(id).addEventListener("change", () => {
      beside = 6;
      compare();
    });
  $("more").addEventListener("click", () => {
    beside += 12;
    compare();
  });
  compare();
} else $("compare").hidden = true;
ofAddress();
