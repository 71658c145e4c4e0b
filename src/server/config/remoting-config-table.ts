// The limits of the transport: the same keys for broker and name server, and how they become RemotingLimits.

import type { ConfigTable, ConfigValues } from '../../base/config-table.ts';
import { defaultRemotingLimits, type RemotingLimits } from '../../remoting/transport/remoting-settings.ts';

const ours = defaultRemotingLimits;
const KIB = 1024;
const MIB = 1024 * KIB;

export const remotingConfigTable = {
  serverChannelMaxIdleTimeSeconds: {
    type: 'integer',
    unit: 'seconds',
    default: ours.idleTimeoutMs / 1_000,
    min: 1,
    max: 86_400,
    sentence: 'A connection without traffic for this long is closed.',
    origin: 'NettyServerConfig',
    needsRestart: true,
  },
  'com.rocketmq.remoting.frameMaxLength': {
    type: 'integer',
    unit: 'bytes',
    default: ours.frameSizeBytesMax,
    min: 64 * KIB,
    max: 1024 * MIB,
    sentence: 'The largest frame that is taken; checked before memory is taken for it. In Java a system property.',
    origin: 'NettyDecoder',
    needsRestart: true,
  },
  headerMaxLength: {
    type: 'integer',
    unit: 'bytes',
    default: ours.headerSizeBytesMax,
    min: KIB,
    max: 16 * MIB,
    sentence: 'The largest header of a frame.',
    origin: 'CometMQ',
    needsRestart: true,
  },
  maxExtFields: {
    type: 'integer',
    unit: 'fields',
    default: ours.extFieldCountMax,
    min: 32,
    max: 65_535,
    sentence: 'Fields that a header may have.',
    origin: 'CometMQ',
    needsRestart: true,
  },
  maxConnections: {
    type: 'integer',
    unit: 'connections',
    default: ours.connectionCountMax,
    min: 1,
    max: 1_000_000,
    sentence: 'Connections at one time; the next one is closed at once. Each needs a file descriptor (ulimit -n).',
    origin: 'CometMQ',
    needsRestart: true,
  },
  maxInFlightRequests: {
    type: 'integer',
    unit: 'requests',
    default: ours.inFlightRequestsMax,
    min: 1,
    max: 1_000_000,
    sentence: 'Requests of one connection that are worked on; at the limit nothing more is read from it.',
    origin: 'CometMQ',
    needsRestart: true,
  },
  writeBufferHighWaterMark: {
    type: 'integer',
    unit: 'bytes (0, as in files of Apache, is the default)',
    default: ours.writeBufferPauseBytes,
    min: 0,
    max: 1024 * MIB,
    sentence: 'Unsent bytes of one connection at which nothing more is read from it.',
    origin: 'NettyServerConfig',
    needsRestart: true,
  },
  writeBufferMaxLength: {
    type: 'integer',
    unit: 'bytes',
    default: ours.writeBufferBytesMax,
    min: MIB,
    max: 2048 * MIB,
    sentence: 'Unsent bytes of one connection at which it is cut.',
    origin: 'CometMQ',
    needsRestart: true,
  },
  firstFrameTimeoutMillis: {
    type: 'integer',
    unit: 'ms',
    default: ours.firstFrameTimeoutMs,
    min: 100,
    max: 600_000,
    sentence: 'How long a new connection may take until its first whole frame is there.',
    origin: 'CometMQ',
    needsRestart: true,
  },
  frameProgressTimeoutMillis: {
    type: 'integer',
    unit: 'ms',
    default: ours.frameProgressTimeoutMs,
    min: 100,
    max: 600_000,
    sentence: 'A frame that has begun must get on, by 16 KiB or to its end, within each period of this length.',
    origin: 'CometMQ',
    needsRestart: true,
  },
  maxPendingInvokes: {
    type: 'integer',
    unit: 'requests',
    default: ours.pendingInvokesMax,
    min: 1,
    max: 1_000_000,
    sentence: 'Requests of the server to one client that wait for its answer.',
    origin: 'CometMQ',
    needsRestart: true,
  },
} as const satisfies ConfigTable;

export function remotingLimitsOf(values: ConfigValues<typeof remotingConfigTable>): RemotingLimits {
  const highWaterMark = values.writeBufferHighWaterMark;
  return {
    frameSizeBytesMax: values['com.rocketmq.remoting.frameMaxLength'],
    headerSizeBytesMax: values.headerMaxLength,
    extFieldCountMax: values.maxExtFields,
    inFlightRequestsMax: values.maxInFlightRequests,
    writeBufferPauseBytes: highWaterMark === 0 ? ours.writeBufferPauseBytes : highWaterMark,
    writeBufferBytesMax: values.writeBufferMaxLength,
    idleTimeoutMs: values.serverChannelMaxIdleTimeSeconds * 1_000,
    firstFrameTimeoutMs: values.firstFrameTimeoutMillis,
    frameProgressTimeoutMs: values.frameProgressTimeoutMillis,
    connectionCountMax: values.maxConnections,
    pendingInvokesMax: values.maxPendingInvokes,
  };
}
