// The codecs on the hot path: a request header in both forms, its typed fields, and the response of a send.

import { ExtFields } from '../src/remoting/protocol/ext-fields.ts';
import { decodeFrame, encodeFrame, writeFrameHead } from '../src/remoting/protocol/frame-codec.ts';
import { formatJavaJson } from '../src/remoting/protocol/java-json.ts';
import { parseJavaJson } from '../src/remoting/protocol/java-json-parser.ts';
import { RemotingCommand } from '../src/remoting/protocol/remoting-command.ts';
import type { SerializeType } from '../src/remoting/protocol/remoting-command.ts';
import { decodeHeader } from '../src/remoting/protocol/request-headers.ts';
import { RequestCode } from '../src/remoting/protocol/request-code.ts';
import { defaultRemotingLimits } from '../src/remoting/transport/remoting-settings.ts';

export interface Benchmark {
  readonly name: string;
  readonly run: () => void;
  readonly bytesPerRun?: number;
}

const BODY_SIZE = 1024;

/** As the Java client sends it: the benchmark producer with one message of 1 KiB. */
const sendFields = {
  a: 'benchmark_producer',
  b: 'BenchmarkTest',
  c: 'TBW102',
  d: 4,
  e: 2,
  f: 0,
  g: 1_795_358_679_452,
  h: 0,
  i: 'KEYS\u000112345\u0002UNIQ_KEY\u00017F0000010A2B5C8DA9621D3E8E0A0001\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002',
  j: 0,
  k: false,
  m: false,
  n: 'broker-a',
};

function sendFrame(serializeType: SerializeType): Buffer {
  const header = {
    code: RequestCode.SEND_MESSAGE_V2,
    flag: 0,
    opaque: 123_456,
    remark: undefined,
    extFields: sendFields,
  };
  return encodeFrame(header, Buffer.alloc(BODY_SIZE, 'x'), serializeType);
}

export async function codecBenchmarks(): Promise<Benchmark[]> {
  const json = sendFrame('JSON');
  const binary = sendFrame('ROCKETMQ');
  const decode = (frame: Buffer): RemotingCommand => decodeFrame(frame, 0, frame.length, defaultRemotingLimits);
  const header = { code: 310, language: 'JAVA', version: 513, opaque: 1, flag: 0, remark: undefined } as const;
  const extFields = ExtFields.from(sendFields);
  const command = new RemotingCommand({ ...header, extFields }, Buffer.alloc(0), 'JSON');
  const output = Buffer.alloc(64 * 1024);
  const respond = (serializeType: SerializeType) => (): void => {
    const answer = {
      msgId: '7F00000200004E2A0000000000409DF7',
      queueId: 2,
      queueOffset: 1_234_567,
      transactionId: '7F0000010A2B5C8DA9621D3E8E0A0001',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
    };
    const outgoing = { code: 0, flag: 1, opaque: 123_456, remark: undefined, extFields: answer };
    writeFrameHead(output, 0, outgoing, serializeType, 0);
  };
  const heartbeat = {
    clientID: '10.0.0.1@4711#123456789',
    consumerDataSet: [
      {
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        consumeType: 'CONSUME_PASSIVELY',
        groupName: 'benchmark_consumer',
        messageModel: 'CLUSTERING',
        subscriptionDataSet: [
          {
            classFilterMode: false,
            codeSet: [],
            subString: '*',
            subVersion: 1_795_358_679_452,
            tagsSet: [],
            topic: 'BenchmarkTest',
          },
        ],
        unitMode: false,
      },
    ],
    producerDataSet: [{ groupName: 'CLIENT_INNER_PRODUCER' }],
  };
  const heartbeatBytes = Buffer.from(formatJavaJson(heartbeat));
  const offsets = {
    offsetTable: new Map(Array.from({ length: 64 }, (_, id) => [{ brokerName: 'b', queueId: id, topic: 't' }, id])),
  };
  const looseBytes = Buffer.from(formatJavaJson(offsets));
  return Promise.resolve([
    { name: 'decode send request, JSON header', run: () => void decode(json), bytesPerRun: json.length },
    { name: 'decode send request, binary header', run: () => void decode(binary), bytesPerRun: binary.length },
    { name: 'typed header of a send request', run: () => void decodeHeader(RequestCode.SEND_MESSAGE_V2, command) },
    { name: 'encode send response, JSON header', run: respond('JSON') },
    { name: 'encode send response, binary header', run: respond('ROCKETMQ') },
    { name: 'parse heartbeat body', run: () => void parseJavaJson(heartbeatBytes), bytesPerRun: heartbeatBytes.length },
    { name: 'parse 64 object keys', run: () => void parseJavaJson(looseBytes), bytesPerRun: looseBytes.length },
    { name: 'write 64 object keys', run: () => void formatJavaJson(offsets), bytesPerRun: looseBytes.length },
  ]);
}
