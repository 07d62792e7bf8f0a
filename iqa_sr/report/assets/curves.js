// Scores over the iterations, and what a training has told of its sampler and its guard.

const withIteration = () => rows((entry) => entry.iteration !== null && !entry.reserved);

function drawCurves() {
  const place = byId("curves-plots");
  metrics.forEach((metric, m) => {
    const id = `curve-${m}`;
    const curve = metricCurve(m);
    if (!byId(id)) place.append(element("div", { class: "plot", id, role: "img", "aria-label": `${metric.name} over the iterations; the table holds the numbers` }));
    byId(id).hidden = !isCurve(curve);
    if (!byId(id).hidden) plot(byId(id), () => ({ traces: curveTraces(curve), layout: curveLayout(curve) }));
  });
  byId("curves-none").hidden = [...place.children].some((target) => !target.hidden);
}

/** A metric's curves: its checkpoints, and the levels beside them, by means over the same images. */
function metricCurve(m) {
  const { compared, summaries } = scope();
  return {
    title: `${metrics[m].name} ${arrow(metrics[m])}`,
    places: digits[m],
    points: withIteration().filter((row) => compared[m].includes(row)),
    levels: compared[m].filter((row) => entries[row].reserved),
    summary: (row) => summaries[m][row],
  };
}

const isCurve = (curve) => new Set(curve.points.map((row) => entries[row].iteration)).size > 1;

function curveTraces(curve) {
  const steps = curve.points.map((row) => entries[row].iteration);
  const lines = allSeries.flatMap((key) => {
    const members = curve.points.filter((row) => seriesKey(entries[row]) === key).sort((a, b) => entries[a].iteration - entries[b].iteration);
    return members.length ? seriesTraces(curve, members) : [];
  });
  const levels = curve.levels.map((row) => ({
    x: [Math.min(...steps), Math.max(...steps)], y: Array(2).fill(curve.summary(row).mean), mode: "lines",
    line: { color: color("--muted"), width: 1.5, dash: entries[row].reserved === "original" ? "dot" : "dash" },
    name: plain(entries[row].name), hovertemplate: `%{y:.${curve.places}f}`,
  }));
  return [...levels, ...lines];
}

function seriesTraces(curve, members) {
  const found = members.map(curve.summary);
  const x = members.map((row) => entries[row].iteration);
  const tint = seriesColor(entries[members[0]]);
  const ends = (end) => found.map((one) => one.interval?.[end] ?? one.mean);
  const edge = { mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
  return [
    { ...edge, x, y: ends(0) },
    { ...edge, x, y: ends(1), fill: "tonexty", fillcolor: faint(tint, 0.12) },
    {
      x, y: found.map((one) => one.mean), mode: "lines+markers", line: { color: color(tint), width: 2 }, marker: { size: 6 },
      name: plain(seriesName(seriesKey(entries[members[0]]))), hovertemplate: `%{y:.${curve.places}f}`,
    },
  ];
}

function curveLayout(curve) {
  return {
    title: heading2(curve.title), hovermode: "x unified",
    xaxis: axis({ nticks: 5 }), yaxis: axis({ nticks: 5 }), margin: { l: 48, r: 12, t: 36, b: 30 },
    annotations: curve.levels.map((row) => ({
      x: 1, xref: "paper", xanchor: "right", y: curve.summary(row).mean, yanchor: "bottom",
      text: plain(entries[row].name), showarrow: false, font: { size: 11 }, bgcolor: faint("--card", 0.75), borderpad: 1,
    })),
  };
}

// --- History ---------------------------------------------------------------------------------------------------------

function drawHistory() {
  for (const { run, charts } of content.histories) {
    const grid = element("div", { class: "plots" });
    const several = content.histories.length > 1;
    byId("history-plots").append(...(several ? [element("h3", {}, run)] : []), grid);
    for (const chart of charts) {
      const target = element("div", { class: "plot", role: "img", "aria-label": `${chart.title} over the iterations` });
      grid.append(target);
      plot(target, () => ({ traces: historyTraces(chart), layout: historyLayout(chart) }));
    }
  }
}

function historyTraces(chart) {
  return chart.curves.map((curve, at) => ({
    x: curve.iterations, y: curve.values, mode: curve.iterations.length > 30 ? "lines" : "lines+markers",
    name: plain(curve.name), line: { color: color(`--c${at % 8}`), width: 2 }, marker: { size: 5 }, hovertemplate: "%{y:.4g}",
  }));
}

function historyLayout(chart) {
  const several = chart.curves.length > 1;
  return {
    title: heading2(chart.title), hovermode: "x unified", showlegend: several,
    legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top", font: { size: 11 } },
    xaxis: axis({ nticks: 5 }), yaxis: axis({ nticks: 5, title: { text: plain(chart.unit), font: { size: 11 } } }),
    margin: { l: 52, r: 12, t: 36, b: several ? 60 : 30 },
    shapes: chart.alarms.map((x) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { color: color("--c1"), width: 1.5, dash: "dash" } })),
    annotations: chart.alarms.slice(0, 1).map((x) => ({ x, y: 1, yref: "paper", yanchor: "bottom", text: "alarm", showarrow: false, font: { size: 11, color: color("--c1") } })),
  };
}
