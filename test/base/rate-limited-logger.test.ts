import { expect, test } from 'vitest';
import { ManualClock } from '../../src/base/clock.ts';
import { rateLimitedLogger } from '../../src/base/rate-limited-logger.ts';
import { RecordingLogger } from '../remoting/support/raw-peer.ts';

test('of each event a number of lines a second is logged, and the next line says how many were not', () => {
  const clock = new ManualClock();
  const log = new RecordingLogger();
  const logger = rateLimitedLogger(log, clock);
  for (let count = 0; count < 200; count++) logger.info('flood', { count });
  logger.warn('another');
  expect(log.lines).toHaveLength(51);
  clock.advance(1000);
  logger.info('flood', { count: 200 });
  expect(log.lines.at(-1)).toEqual({ event: 'flood', fields: { count: 200, suppressedCount: 150 } });
  logger.info('flood', { count: 201 });
  expect(log.lines.at(-1)).toEqual({ event: 'flood', fields: { count: 201 } });
});

test('errors are never held back', () => {
  const log = new RecordingLogger();
  const logger = rateLimitedLogger(log, new ManualClock());
  for (let count = 0; count < 200; count++) logger.error('broken');
  expect(log.lines).toHaveLength(200);
});
