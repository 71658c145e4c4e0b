// Frames that are nearly right: what Apache's clients send, damaged at random, from a seed.

import { Prng } from '../../../src/base/prng.ts';
import { frameBytes, goldenExchanges } from './golden-wire.ts';

/** Requests that Apache's clients really send. */
export const goldenCorpus: readonly Buffer[] = goldenExchanges()
  .map(({ request }) => frameBytes(request))
  .filter((frame) => frame.length < 4096);

const spices = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  '\0',
  '\u0001',
  ':',
  ',',
  '-',
  '9'.repeat(30),
  '"__proto__":',
  '"constructor":{},',
];
const lengths = [-1, -(2 ** 31), 0, 3, 4, 5, 2 ** 31 - 1, 16_777_215, 16_777_216, 16_777_217];

/** A few random damages. Half of the frames get their length right again, so that the damage reaches the header. */
export function mutate(prng: Prng, original: Buffer): Buffer {
  let frame = Buffer.from(original);
  for (let round = 1 + prng.below(3); round > 0; round--) {
    const at = prng.below(Math.max(1, frame.length));
    switch (prng.below(8)) {
      case 0:
        frame[at] = prng.below(256);
        break;
      case 1:
        if (frame.length >= 4) frame.writeInt32BE(prng.pick(lengths), 0);
        break;
      case 2:
        if (frame.length >= 8) frame.writeUInt32BE(((prng.below(3) << 24) | prng.below(0x1000000)) >>> 0, 4);
        break;
      case 3:
        frame = frame.subarray(0, at);
        break;
      case 4:
        frame = Buffer.concat([frame.subarray(0, at), Buffer.from(prng.pick(spices)), frame.subarray(at)]);
        break;
      case 5:
        frame = Buffer.concat([frame, prng.pick(goldenCorpus)]);
        break;
      case 6:
        frame = Buffer.concat([frame.subarray(0, at), frame.subarray(at + prng.below(8))]);
        break;
      default:
        frame = Buffer.concat([frame.subarray(0, at), prng.bytes(1 + prng.below(8)), frame.subarray(at)]);
    }
  }
  if (prng.chance(0.5) && frame.length >= 8) frame.writeInt32BE(frame.length - 4, 0);
  return frame;
}
