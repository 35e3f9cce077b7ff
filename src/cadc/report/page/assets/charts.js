// SVG charts, redrawn for the available width so that the text size stays the same.

const CHARTS = [];
function chart(id, draw) {
  const box = $(id);
  const redraw = () => box.replaceChildren(draw(Math.max(box.clientWidth, 280)));
  let width = 0;
  new ResizeObserver(() => {
    if (box.clientWidth !== width) {
      width = box.clientWidth;
      redraw();
    }
  }).observe(box);
  CHARTS.push(redraw);
}
const redrawn = () => CHARTS.forEach((redraw) => redraw());

const context = document.createElement("canvas").getContext("2d");
function textWidth(text) {
  context.font = "12px system-ui, sans-serif";
  return context.measureText(text).width;
}

function ticks(low, high, n = 5) {
  const rough = (high - low || 1) / n,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= rough);
  const made = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9; k++) made.push(Number((k * step).toPrecision(6)));
  return made;
}
function logTicks(low, high) {
  const made = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 1.001; power++)
    for (const x of [1, 2, 5]) {
      const value = Number((x * 10 ** power).toPrecision(3));
      if (value >= low * 0.999 && value <= high * 1.001) made.push(value);
    }
  return made;
}
const linear =
  ([low, high], [from, to]) =>
  (x) =>
    from + ((x - low) / (high - low || 1)) * (to - from);
const logarithmic = ([low, high], range) => {
  const scale = linear([Math.log(low), Math.log(high)], range);
  return (x) => scale(Math.log(x));
};
function span(values, share = 0.06) {
  const low = Math.min(...values),
    high = Math.max(...values),
    room = (high - low || 1) * share;
  return [low - room, high + room];
}
const image = (label, width, height, ...children) =>
  s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, children);
const hint = (text) => s("title", {}, text);
const interval = (low, high) => (low === null ? "" : `, 95% interval ${number(low)} to ${number(high)}`);

function axisX(scale, values, y0, y1, title, width) {
  return values
    .map((value) => [
      s("line", { class: "grid", x1: scale(value), x2: scale(value), y1: y0, y2: y1 }),
      s("text", { class: "tick", x: scale(value), y: y1 + 16, "text-anchor": "middle" }, String(value)),
    ])
    .concat([s("text", { class: "tick", x: width, y: y1 + 34, "text-anchor": "end" }, title)])
    .flat();
}
function axisY(scale, values, x0, x1, title) {
  return values
    .map((value) => [
      s("line", { class: "grid", x1: x0, x2: x1, y1: scale(value), y2: scale(value) }),
      s("text", { class: "tick", x: x0 - 6, y: scale(value) + 4, "text-anchor": "end" }, String(value)),
    ])
    .concat([s("text", { class: "tick", x: 0, y: 12 }, title)])
    .flat();
}

// rows: {title, mean, low, high, runs, band: [low, high] or null}, one line each; band: interval of random selection.
function intervalChart(width, rows, title) {
  const left = Math.min(Math.max(...rows.map((row) => textWidth(row.title))) + 14, width * 0.48),
    step = 26,
    bottom = rows.length * step + 8;
  const [low, high] = span(
    rows.flatMap((row) => [...row.runs, row.low ?? row.mean, row.high ?? row.mean, ...(row.band ?? [])]),
  );
  const x = linear([low, high], [left, width - 12]);
  const marks = rows.map((row, i) => {
    const y = i * step + 18,
      [from, to] = [row.low ?? row.mean, row.high ?? row.mean];
    return s(
      "g",
      { class: "c0" },
      hint(`${row.title}: ${number(row.mean)}${interval(row.low, row.high)}`),
      row.band
        ? s("rect", {
            class: "band",
            x: x(row.band[0]),
            width: Math.max(x(row.band[1]) - x(row.band[0]), 1),
            y: y - step / 2,
            height: step,
          })
        : null,
      s("line", { class: "bar", x1: x(from), x2: x(to), y1: y, y2: y }),
      row.runs.map((run) => s("circle", { class: "run", cx: x(run), cy: y + 7, r: 2.2 })),
      s("circle", { class: "dot", cx: x(row.mean), cy: y, r: 5 }),
      s(
        "text",
        {
          x: left - 8,
          y: y + 4,
          "text-anchor": "end",
          ...(textWidth(row.title) > left - 14 ? { textLength: left - 12, lengthAdjust: "spacingAndGlyphs" } : {}),
        },
        row.title,
      ),
    );
  });
  const said = rows.map((row) => `${row.title} ${number(row.mean)}`).join("; ");
  return image(
    `${title}: ${said}`,
    width,
    bottom + 40,
    axisX(x, ticks(low, high, width / 90), 4, bottom, title, width),
    marks,
  );
}

// Position of each point's label: the first that overlaps no other label and no point. If there is none, the label is
// left out; the table and the tooltip still name the point.
function placed(points, width, height) {
  const boxes = points.map(({ x, y }) => [x - 6, y - 6, x + 6, y + 6]);
  const meets = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  return points.map(({ x, y, text }) => {
    const w = textWidth(text),
      tried = [];
    for (let away = 0; away < 120; away += 7)
      for (const [dx, dy] of [
        [9, 4 - away],
        [9, 4 + away],
        [-9 - w, 4 - away],
        [-9 - w, 4 + away],
        [-w / 2, -10 - away],
        [-w / 2, 20 + away],
      ])
        tried.push([x + dx, y + dy]);
    const box = ([left, base]) => [left, base - 11, left + w, base + 3];
    const inside = (b) => b[0] >= 0 && b[2] <= width && b[1] >= 0 && b[3] <= height;
    const place = tried.find((at) => inside(box(at)) && !boxes.some((other) => meets(box(at), other)));
    if (place) boxes.push(box(place));
    return place;
  });
}

// points: {title, cost, mean, low, high}; x is operations. band: the interval of random selection, or null.
function scatterChart(width, points, band, title) {
  const height = Math.min(420, Math.max(300, width * 0.5)),
    left = 44,
    bottom = height - 44;
  if (!points.length) return h("p", {}, "The operations of all arms are unknown.");
  const costs = points.map((point) => point.cost / 1e12),
    xs = [Math.min(...costs) / 1.6, Math.max(...costs) * 1.6];
  const [low, high] = span(points.flatMap((point) => [point.mean, point.low ?? point.mean, point.high ?? point.mean]));
  const x = logarithmic(xs, [left, width - 8]),
    y = linear([low, high], [bottom, 22]);
  const at = points.map((point) => ({ x: x(point.cost / 1e12), y: y(point.mean), text: point.title }));
  const places = placed(at, width, bottom);
  const marks = points.map((point, i) =>
    s(
      "g",
      { class: `c${i % 8}` },
      hint(`${point.title}: ${number(point.mean)}${interval(point.low, point.high)}, ${tera(point.cost)} TFLOP`),
      s("line", {
        class: "bar",
        x1: at[i].x,
        x2: at[i].x,
        y1: y(point.low ?? point.mean),
        y2: y(point.high ?? point.mean),
      }),
      s("circle", { class: "dot", cx: at[i].x, cy: at[i].y, r: 5 }),
      places[i] && s("text", { x: places[i][0], y: places[i][1] }, point.title),
    ),
  );
  const clip = (value) => Math.min(Math.max(value, 22), bottom);
  const said = points.map((point) => `${point.title} ${number(point.mean)} at ${tera(point.cost)} TFLOP`).join("; ");
  return image(
    `${title} against operations: ${said}`,
    width,
    height,
    band
      ? s("rect", {
          class: "band",
          x: left,
          width: width - 8 - left,
          y: clip(y(band[1])),
          height: Math.max(clip(y(band[0])) - clip(y(band[1])), 1),
        })
      : null,
    axisY(y, ticks(low, high), left, width - 8, title),
    axisX(
      x,
      logTicks(...xs).filter((_, i, all) => all.length * 45 < width || i % 2 === 0),
      22,
      bottom,
      "selection and one fine-tuning, TFLOP",
      width - 8,
    ),
    marks,
  );
}

// lines: {title, points: [{x, mean, low, high}], own}: dashed after the first `own` points; the title is next to the
// last of these. xTicks: values of a logarithmic x axis.
function lineChart(
  width,
  lines,
  { title, xTitle, logY = false, xTicks, height = Math.min(420, Math.max(280, width * 0.45)) },
) {
  const left = 52,
    right = width - 24,
    bottom = height - 44,
    all = lines.flatMap((line) => line.points);
  const ys = all.flatMap((point) => [point.mean, point.low ?? point.mean, point.high ?? point.mean]);
  const [low, high] = logY ? [Math.min(...ys) / 1.3, Math.max(...ys) * 1.3] : span(ys);
  const xs = all.map((point) => point.x),
    wide = [Math.min(...xs), Math.max(...xs)];
  const x = (xTicks ? logarithmic : linear)(wide[0] === wide[1] ? [wide[0] / 2, wide[1] * 2] : wide, [
    left + 24,
    right - (logY ? 90 : 12),
  ]);
  const y = (logY ? logarithmic : linear)([low, high], [bottom, 22]);
  // Lines are shifted sideways, so that no interval hides another.
  const at = (i, point) =>
    x(point.x) +
    (point.low === undefined || point.x === wide[1]
      ? 0
      : (i - (lines.length - 1) / 2) * Math.min(6, 36 / lines.length));
  const ends = lines.map((line, i) => [i, line.points[(line.own ?? line.points.length) - 1]]);
  const places = placed(
    ends.map(([i, point]) => ({
      x: Math.max(at(i, point), ...lines.map((_, k) => at(k, point))),
      y: y(point.mean),
      text: lines[i].title,
    })),
    width,
    bottom,
  );
  const marks = lines.map((line, i) =>
    s(
      "g",
      { class: `c${i % 8}` },
      line.points.slice(1).map((point, k) =>
        s("line", {
          class: `path${k + 1 >= (line.own ?? Infinity) ? " dashed" : ""}`,
          x1: at(i, line.points[k]),
          y1: y(line.points[k].mean),
          x2: at(i, point),
          y2: y(point.mean),
        }),
      ),
      line.points.map((point) =>
        s(
          "g",
          {},
          hint(`${line.title}: ${number(point.mean, logY ? 4 : 1)}${logY ? "" : interval(point.low, point.high)}`),
          point.low === null || point.low === undefined
            ? null
            : s("line", { class: "bar", x1: at(i, point), x2: at(i, point), y1: y(point.low), y2: y(point.high) }),
          s("circle", { class: "dot", cx: at(i, point), cy: y(point.mean), r: 4 }),
        ),
      ),
      places[i] && s("text", { class: "name", x: places[i][0], y: places[i][1] }, line.title),
    ),
  );
  const means = (line) => line.points.map((point) => number(point.mean, logY ? 4 : 1)).join(", ");
  return image(
    `${title}: ${lines.map((line) => `${line.title} ${means(line)}`).join("; ")}`,
    width,
    height,
    axisY(
      y,
      logY ? logTicks(low, high).filter((_, i, those) => those.length < 8 || i % 3 === 0) : ticks(low, high),
      left,
      right,
      title,
    ),
    axisX(x, xTicks ?? ticks(...wide, 4), 22, bottom, xTitle, right),
    marks,
  );
}
