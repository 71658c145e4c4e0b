// Signals and the exit statuses that they lead to, with servers that stop slowly, badly, or never.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';

const module = resolve(import.meta.dirname, '../../dist/cli/run-until-signal.js');

/** A process that runs `script` with a RunUntilSignal named `lifetime`; what it prints is collected. */
function run(script: string): {
  readonly child: ReturnType<typeof spawn>;
  readonly output: () => string;
  readonly untilPrinted: (text: string) => Promise<void>;
} {
  const code = `
    import { RunUntilSignal } from ${JSON.stringify(module)};
    const lifetime = new RunUntilSignal();
    const say = (text) => process.stdout.write(text + '\\n');
    const never = new Promise(() => {});
    const later = (ms) => new Promise((done) => setTimeout(done, ms));
    ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  let changed = (): void => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      changed();
    });
  }
  const untilPrinted = async (text: string): Promise<void> => {
    while (!output.includes(text)) await new Promise<void>((done) => (changed = done));
  };
  return { child, output: () => output, untilPrinted };
}

describe('a server under signals', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s stops it, with status 0', async (signal) => {
    const { child, output, untilPrinted } = run(`
      process.exitCode = await lifetime.run({ stop: async () => say('stop') }, () => say('ready'));`);
    await untilPrinted('ready');
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([0, null]);
    // Standard output and standard error are two pipes: only the order in each is certain.
    expect(output().split('\n').sort()).toEqual([
      '',
      'cometmq: stopped cleanly',
      'cometmq: stopping; a second signal ends at once',
      'ready',
      'stop',
    ]);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('a second %s ends it at once, with status %i', async (signal, status) => {
    const { child, untilPrinted } = run(`
      setInterval(() => undefined, 1_000);
      await lifetime.run({ stop: () => never }, () => say('ready'));`);
    await untilPrinted('ready');
    child.kill(signal);
    await untilPrinted('a second signal ends at once');
    const again = setInterval(() => child.kill(signal), 20);
    onTestFinished(() => clearInterval(again));
    expect(await once(child, 'close')).toEqual([status, null]);
  });

  it('the two signals of one Ctrl-C under npm are one', async () => {
    const { child, untilPrinted } = run(`
      process.exitCode = await lifetime.run({ stop: () => later(300) }, () => {
        // Both in one turn, as npm passes on what the terminal has sent already.
        process.once('SIGUSR2', () => { process.emit('SIGINT', 'SIGINT'); process.emit('SIGINT', 'SIGINT'); });
        say('ready');
      });`);
    await untilPrinted('ready');
    child.kill('SIGUSR2');
    expect(await once(child, 'close')).toEqual([0, null]);
  });

  it('one that comes while the server starts is obeyed, and nobody hears that it is ready', async () => {
    const { child, output, untilPrinted } = run(`
      say('starting');
      const starting = setInterval(() => undefined, 1_000);
      await new Promise((done) => process.once('SIGTERM', () => setTimeout(done, 50)));
      clearInterval(starting);
      process.exitCode = await lifetime.run({ stop: async () => say('stop') }, () => say('ready'));`);
    await untilPrinted('starting');
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(output()).not.toContain('ready');
    expect(output()).toContain('stop\n');
  });

  it('a failed sync ends it with status 4 and the reason, also when stopping fails then', async () => {
    const { child, output } = run(`
      const server = { stop: () => Promise.reject(new Error('nor could it be closed')) };
      setTimeout(() => lifetime.onFatal(new Error('the disk reported an error')), 20);
      process.exitCode = await lifetime.run(server, () => say('ready'));`);
    expect(await once(child, 'close')).toEqual([4, null]);
    expect(output()).toContain('cometmq: the disk reported an error\n');
    expect(output()).toContain('nor could it be closed');
  });

  it('a server that can not say that it is ready is stopped', async () => {
    const { child, output } = run(`
      const announce = () => { throw new Error('no room for the ready file'); };
      await lifetime.run({ stop: async () => say('stop') }, announce).catch((error) => say(error.message));`);
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(output()).toBe('stop\nno room for the ready file\n');
  });
});
