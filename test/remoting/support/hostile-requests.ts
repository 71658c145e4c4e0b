// Requests whose frames are right and whose contents are not: every known code, each field with a value from the edge of what it
// may be or beyond, bodies of the wrong kind and with wrong lengths. From a seed.

import { Prng } from '../../../src/base/prng.ts';
import { encodeFrame } from '../../../src/remoting/protocol/frame-codec.ts';
import { requestHeaderSpecs } from '../../../src/remoting/protocol/request-headers.ts';
import { goldenCorpus } from './mutated-frames.ts';

const codes = Object.keys(requestHeaderSpecs).map(Number);

const integers = [
  ...['0', '1', '-1', '3', '18', '99', '65535', '65536', '2147483647', '-2147483648', '2147483648', '4294967296'],
  ...['9007199254740991', '9007199254740992', '9223372036854775807', '-9223372036854775808', '9223372036854775808'],
  ...['', ' 1', '1e3', '0x10', 'NaN', 'null', '1.5', '+7', '9'.repeat(400)],
];
const names = [
  ...['FuzzOne', 'FuzzTwo', 'TBW102', 'SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'broker-a', 'DefaultCluster'],
  ...['%RETRY%CID_fuzz', '%RETRY%', '%DLQ%CID_fuzz', '%RETRY%%RETRY%CID_fuzz', 'CID_fuzz', 'PID_fuzz', '*', ''],
  ...['__proto__', 'constructor', 'hasOwnProperty', '../../../escaped', '..', '/etc/passwd', 'a/b', 'a\0b', '.'],
  ...['n'.repeat(127), 'n'.repeat(128), 'n'.repeat(5000), 'имя', '\ud800', '|', '%', '127.0.0.1:1', 'a||b', '||'],
];
const properties = [
  ...[
    '',
    '\u0001',
    '\u0002',
    '\u0001\u0002',
    'TAGS\u0001a\u0002',
    'TAGS\u0001a',
    'a\u0001b\u0001c\u0002',
    '\u0002'.repeat(3000),
  ],
  ...[
    'DELAY\u00011\u0002',
    'DELAY\u000118\u0002',
    'DELAY\u0001-1\u0002',
    'DELAY\u0001x\u0002',
    'WAIT\u0001false\u0002',
  ],
  ...[
    'UNIQ_KEY\u0001k\u0002KEYS\u0001a b c\u0002',
    'REAL_TOPIC\u0001../x\u0002REAL_QID\u0001-5\u0002',
    'TRAN_MSG\u0001true\u0002',
  ],
  ...[
    'TIMER_DELIVER_MS\u00011\u0002',
    'INNER_NUM\u00012\u0002',
    'INNER_MULTI_DISPATCH\u0001%LMQ%../../x\u0002',
    'x'.repeat(32_768),
  ],
  ...[
    '__proto__\u0001polluted\u0002',
    `a\u0001${'y'.repeat(32_760)}\u0002`,
    'POP_CK\u00010 0 0\u0002',
    'TAGS\u0001\ud800\u0002',
  ],
];

function value(prng: Prng, name: string, type: string): string {
  if (prng.chance(0.05)) return prng.pick([...integers, ...names, ...properties]);
  if (type === 'int' || type === 'long') return prng.chance(0.5) ? prng.pick(['0', '1', '2']) : prng.pick(integers);
  if (type === 'boolean') return prng.pick(['true', 'false', 'TRUE', 'maybe', '']);
  return name === 'properties' ? prng.pick(properties) : prng.pick(names);
}

function batchBody(prng: Prng): Buffer {
  const elements = Array.from({ length: 1 + prng.below(4) }, () => {
    const body = prng.bytes(prng.below(40));
    const text = Buffer.from(prng.pick(properties)).subarray(0, 1000);
    const element = Buffer.alloc(22 + body.length + text.length);
    element.writeInt32BE(
      prng.chance(0.9) ? element.length : prng.pick([0, -1, 21, 2 ** 31 - 1, element.length + 1]),
      0,
    );
    element.writeInt32BE(
      prng.chance(0.9) ? body.length : prng.pick([-1, 2 ** 31 - 1, -(2 ** 31), body.length + 1]),
      16,
    );
    body.copy(element, 20);
    element.writeInt16BE(prng.chance(0.9) ? text.length : prng.pick([-1, 32_767, -32_768]), 20 + body.length);
    text.copy(element, 22 + body.length);
    return element;
  });
  return Buffer.concat(elements);
}

const scalar = (prng: Prng): unknown =>
  prng.pick([0, -1, 1.5, 2 ** 53, 1e308, '', 'x', null, true, [], {}, [null], '9223372036854775807', ...names]);

function heartbeatBody(prng: Prng): Buffer {
  const subscription = () => ({
    topic: prng.pick(names),
    subString: prng.pick(['*', 'a', 'a||b', '||', '', 'x'.repeat(3000), scalar(prng)]),
    subVersion: prng.pick([0, 1, Date.now(), scalar(prng)]),
    expressionType: prng.pick(['TAG', 'SQL92', '', scalar(prng)]),
    codeSet: prng.pick([[], [1, 2], ['a'], scalar(prng)]),
  });
  const consumer = () => ({
    groupName: prng.pick(names),
    messageModel: prng.pick(['CLUSTERING', 'BROADCASTING', 'x', scalar(prng)]),
    subscriptionDataSet: prng.chance(0.9) ? [subscription(), subscription()] : scalar(prng),
  });
  const heartbeat = {
    clientID: prng.chance(0.8) ? `client-${prng.below(20)}` : scalar(prng),
    heartbeatFingerprint: prng.pick([0, 1, -5, scalar(prng)]),
    withoutSub: prng.pick([true, false, scalar(prng)]),
    consumerDataSet: prng.chance(0.9) ? [consumer()] : scalar(prng),
    producerDataSet: prng.chance(0.9) ? [{ groupName: prng.pick(names) }] : scalar(prng),
  };
  return Buffer.from(JSON.stringify(heartbeat));
}

function body(prng: Prng): Buffer {
  switch (prng.below(7)) {
    case 0:
      return Buffer.alloc(0);
    case 1:
      return batchBody(prng);
    case 2:
      return heartbeatBody(prng);
    case 3:
      return Buffer.from(
        prng.pick(['{', '[]', '{{}:1}', '{0:{1:2}}', '['.repeat(500), '{"a":9223372036854775808}', 'null']),
      );
    case 4:
      return prng.bytes(prng.below(2000));
    case 5:
      return prng.pick(goldenCorpus);
    default:
      return Buffer.from('hello');
  }
}

/** One whole frame, or a one-way one, or one that pretends to be an answer. */
export function hostileRequest(prng: Prng, opaque: number): Buffer {
  const code = prng.pick(codes);
  const spec = requestHeaderSpecs[code as keyof typeof requestHeaderSpecs];
  const extFields: Record<string, string> = {};
  for (const [name, field] of Object.entries(spec) as [string, { type: string; wireName?: string }][]) {
    if (prng.chance(0.9)) extFields[field.wireName ?? name] = value(prng, name, field.type);
  }
  if (prng.chance(0.1)) Object.defineProperty(extFields, '__proto__', { value: 'x', enumerable: true });
  // A held pull may take a moment only: this is about contents, not about patience.
  if ('suspendTimeoutMillis' in extFields) extFields['suspendTimeoutMillis'] = prng.pick(['0', '1', '-1', '50']);
  const flag = prng.chance(0.9) ? 0 : prng.pick([1, 2, 3, -1]);
  const header = { code: prng.chance(0.97) ? code : prng.below(70_000), flag, opaque, remark: undefined, extFields };
  const isBinary = header.code <= 0x7fff && prng.chance(0.3);
  return encodeFrame(header, body(prng), isBinary ? 'ROCKETMQ' : 'JSON');
}
