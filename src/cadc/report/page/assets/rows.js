// The browser of rows, and two arms beside each other.

const { rows: ROWS, pictures: PICTURES, groups: GROUPS, scores: SCORES } = DATA.browser;
const CHOOSERS = ARMS.filter((arm) => DATA.pool.chosen[arm.arm] < DATA.pool.rows);
const PAGE = 24;
const byNumber = new Map(ROWS.map((row) => [row.row, row]));
const searched = ROWS.map((row) => [row.id, ...row.turns.map(([, text]) => text)].join("\n").toLowerCase());
const firstOf = (row, role) => (row.turns.find(([who]) => who === role) ?? ["", ""])[1];
// Chosen by the first seed of an arm, as the counts are: else a row has been chosen by another seed alone.
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
      h("span", { class: "by" }, by.length ? `chosen by ${by.join("; ")}` : "chosen by no arm"),
    ),
  );
}

const filters = [
  [
    "search",
    h("input", { type: "search", id: "search", placeholder: "words or an id" }),
    (value, row, i) => searched[i].includes(value.toLowerCase()),
  ],
  [
    "chosen by",
    h("select", { id: "by" }),
    (value, row) => (value === "nobody" ? !CHOOSERS.some((arm) => row.picked[arm.arm]) : chose(value.slice(1), row)),
  ],
  ["left out by", h("select", { id: "left" }), (value, row) => !row.picked[value.slice(1)]],
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
    ? `${thousands(listed.length)} rows; ${from + 1} to ${Math.min(from + PAGE, listed.length)} are shown`
    : "No row here is like that.";
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
    ["chosen by", "seeds", "place in training", "stage", "capability"],
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
        said = `${id}, cosine ${number(cosine, 3)}${cosine >= 0.9995 ? ": a copy, as far as the embeddings see" : ""}`;
      return h(
        "li",
        {},
        found ? h("button", { type: "button", onclick: () => show(other) }, said) : `${said} (not in this sample)`,
      );
    }),
  );
}

// Open the dialog of a row; the address then names it, and such an address opens it.
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
      row.more ? h("p", {}, `and ${row.more} pictures more`) : null,
    ),
    row.turns.map(([role, text]) =>
      h("p", { class: `turn ${role === "assistant" ? "assistant" : "other"}` }, h("strong", {}, role), text),
    ),
    h("h4", {}, "Who picked it"),
    h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Who picked it" }, choosers(row)),
    SCORES.length
      ? [
          h("h4", {}, "Scores"),
          h(
            "div",
            { class: "wide", tabindex: "0", role: "region", "aria-label": "Scores" },
            table(
              ["", "value", "of the pool below it, %"],
              SCORES.map((title, i) => [title, String(row.scores[i][0]), number(row.scores[i][1])]),
            ),
          ),
        ]
      : null,
    h("h4", {}, "What it is"),
    facts(row),
    row.near.length ? [h("h4", {}, "Most like it, of the whole pool"), likeRows(row)] : null,
  );
  if (!dialog.open) dialog.showModal();
  // What was pressed is gone with the row before: its like gets the focus, so that keys go on working.
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

// Two arms: A, and B or what A left out.
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
  $("only-one").textContent = rest ? `Chosen by ${title(a)}` : `Only ${title(a)}`;
  $("only-other").textContent = rest ? `Left out by ${title(a)}` : `Only ${title(b)}`;
  if (rest)
    $("overlap").textContent =
      `${title(a)} has chosen ${thousands(n[a])} rows and left out ${thousands(DATA.pool.rows - n[a])}.`;
  else if (a === b) $("overlap").textContent = "These are the same arm.";
  else {
    const [x, , both, first, second] = pair,
      [mine, yours] = x === a ? [first, second] : [second, first];
    $("overlap").textContent =
      `${thousands(both)} rows of both, ${thousands(mine)} of ${title(a)} alone, ` +
      `${thousands(yours)} of ${title(b)} alone.`;
  }
  $("cards-one").replaceChildren(...only.slice(0, beside).map(card));
  $("cards-other").replaceChildren(...other.slice(0, beside).map(card));
  $("more").disabled = Math.max(only.length, other.length) <= beside;
}

$("sample").textContent =
  ROWS.length < DATA.pool.rows
    ? `A sample: ${thousands(ROWS.length)} of ${thousands(DATA.pool.rows)} rows, of every arm about as many as of ` +
      "rows that none has chosen. Counts and shares above are of all rows."
    : `All ${thousands(ROWS.length)} rows of the pool.`;
$("filters").append(...filters.map(([title, input]) => h("label", {}, title, input)));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", listRows);
options(
  $("by"),
  [["", "anyone or nobody"], ["nobody", "nobody"], ...CHOOSERS.map((arm) => [`=${arm.arm}`, arm.title])],
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
  options($("other"), [["", "what A left out"], ...CHOOSERS.map((arm) => [arm.arm, arm.title])], "");
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
