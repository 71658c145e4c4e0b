// CPU time while a case runs, apart for the thread of the event loop and for the whole process (native threads, garbage collector).
// It counts what a run costs, not how long it waited: a busy disk or a busy neighbour moves it far less than a rate.

import { readFileSync } from 'node:fs';

/** Seconds on the processor of the calling thread, which is the main one; undefined where nobody says. */
function loopSeconds() {
  if (process.threadCpuUsage !== undefined) {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1e6;
  }
  try {
    // The first number is nanoseconds; it moves at each tick of the kernel, so a case must run for many of them.
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function now() {
  const { user, system } = process.cpuUsage();
  return { loop: loopSeconds(), process: (user + system) / 1e6 };
}

/** Call the result for the seconds since then. */
export function startCpuTime() {
  const before = now();
  return () => {
    const after = now();
    const loop = before.loop === undefined ? undefined : after.loop - before.loop;
    return { loop, process: after.process - before.process };
  };
}
