// Brings bench/README.md and its pictures up to date with bench/results/*.json. Everything between the markers is replaced.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = fileURLToPath(new URL('.', import.meta.url));
const read = (name) => {
  const path = join(bench, 'results', `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
};

const number = (value) =>
  value >= 100
    ? Math.round(value).toLocaleString('en-US')
    : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

function time(seconds) {
  if (seconds === undefined) return '';
  if (seconds >= 1) return `${number(seconds)} s`;
  if (seconds >= 1e-3) return `${number(seconds * 1e3)} ms`;
  return seconds >= 1e-6 ? `${number(seconds * 1e6)} µs` : `${number(seconds * 1e9)} ns`;
}

function storeTable({ machine, groups }) {
  const rows = groups.flatMap(({ name, results }) => [
    `| **${name}** | | | | | |`,
    ...results.map((result) => {
      const bytes = result.bytesPerSecond === undefined ? '' : `${number(result.bytesPerSecond / 1e6)} MB/s`;
      const cpu = `${time(result.loopCpuSeconds)} | ${time(result.processCpuSeconds)}`;
      const name = `${result.name}${result.isQuiet === false ? ' (the disk was busy)' : ''}`;
      return `| ${name} | ${number(result.perSecond)} ${result.unit}/s | ${time(1 / result.perSecond)} | ${cpu} | ${bytes} |`;
    }),
  ]);
  const disk =
    machine.diskBytesPerSecond === undefined
      ? ''
      : `, a disk that takes ${number(machine.diskBytesPerSecond / 1e6)} MB/s (written in order and synced)`;
  const where = `${machine.cpu}, ${machine.cores} cores${disk}, Node ${machine.node}, commit ${machine.commit}, ${machine.date}`;
  const head = '| | Rate | Each | CPU, event loop | CPU, process | Body bytes |\n|---|---|---|---|---|---|';
  return `Measured on: ${where}.\n\n${head}\n${rows.join('\n')}`;
}

/** What the ratio should be, and in which direction it counts. */
const targets = {
  'send.messages/s': ['≥', 1],
  'batches of 16.messages/s': ['≥', 1],
  'drain.messages/s': ['≥', 1],
  'send, SYNC_FLUSH.messages/s': ['≥', 1.5],
  'send.server CPU, µs a message': ['≤', 0.35],
  'send, SYNC_FLUSH.server CPU, µs a message': ['≤', 0.25],
  'batches of 16.server CPU, µs a message': ['≤', 0.5],
  'drain.server CPU, µs a message': ['≤', 0.5],
  'server.time to ready, ms': ['≤', 0.05],
};

const meets = (figure, ratio) => {
  const target = targets[figure];
  if (target === undefined) return '';
  const [relation, bound] = target;
  const isMet = relation === '≥' ? ratio >= bound : ratio <= bound;
  return `${relation} ${bound}${isMet ? '' : ' (missed)'}`;
};

function apacheTable({ machine, date, rounds, timing, rows }) {
  const lines = rows.map(({ figure, apache, cometmq, ratio }) => {
    const name = figure.replace('.', ': ');
    return `| ${name} | ${number(apache)} | ${number(cometmq)} | ${ratio.toFixed(2)} | ${meets(figure, ratio)} |`;
  });
  const how = `${rounds} alternating rounds, ${timing.warmSeconds} s of load before ${timing.measureSeconds} s of measuring, medians`;
  const where = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}, ${date}`;
  return `Measured on: ${where}; ${how}.\n\n| | Apache 5.5.0 | CometMQ | Ratio | Target |\n|---|---|---|---|---|\n${lines.join('\n')}`;
}

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Two bars a figure, each as a share of the larger one. */
function apachePicture({ rows }) {
  const shown = rows.filter(({ figure }) => !/response/.test(figure));
  const [width, labelWidth, barWidth, rowHeight, top] = [860, 300, 430, 46, 44];
  const bar = (y, share, color, text) =>
    `<rect x="${labelWidth}" y="${y}" width="${Math.max(2, share * barWidth).toFixed(1)}" height="14" rx="2" fill="${color}"/>` +
    `<text x="${labelWidth + Math.max(2, share * barWidth) + 6}" y="${y + 11}" class="value">${text}</text>`;
  const parts = shown.map(({ figure, apache, cometmq }, index) => {
    const y = top + index * rowHeight;
    const most = Math.max(apache, cometmq);
    return (
      `<text x="${labelWidth - 10}" y="${y + 19}" class="label">${escape(figure.replace('.', ': '))}</text>` +
      bar(y, apache / most, '#b8b8b8', number(apache)) +
      bar(y + 17, cometmq / most, '#e4572e', number(cometmq))
    );
  });
  const height = top + shown.length * rowHeight + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>text{font:12px system-ui,sans-serif;fill:#222}.label{text-anchor:end}.value{fill:#555}</style>
<rect width="100%" height="100%" fill="#fff"/>
<rect x="${labelWidth}" y="14" width="12" height="12" fill="#b8b8b8"/><text x="${labelWidth + 18}" y="24">Apache RocketMQ 5.5.0</text>
<rect x="${labelWidth + 190}" y="14" width="12" height="12" fill="#e4572e"/><text x="${labelWidth + 208}" y="24">CometMQ</text>
${parts.join('\n')}
</svg>
`;
}

function between(text, marker, content) {
  const [start, end] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`bench/README.md has lost its marker ${marker}`);
  return `${text.slice(0, from + start.length)}\n${content}\n${text.slice(to)}`;
}

let readme = readFileSync(join(bench, 'README.md'), 'utf8');
const store = read('store');
if (store !== undefined) readme = between(readme, 'store', storeTable(store));
const apache = read('apache');
if (apache !== undefined) {
  readme = between(readme, 'apache', apacheTable(apache));
  writeFileSync(join(bench, 'results', 'apache.svg'), apachePicture(apache));
}
writeFileSync(join(bench, 'README.md'), readme);
