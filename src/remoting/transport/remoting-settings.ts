// The limits of the transport, each a named setting. Defaults are those of docs/CONFIGURATION.md.

export interface RemotingLimits {
  /** Bytes of a frame after its length field; checked before anything is allocated. */
  readonly frameSizeBytesMax: number;
  /** Bytes of a header: 32 KiB of properties may be escaped sixfold in JSON. */
  readonly headerSizeBytesMax: number;
  readonly extFieldCountMax: number;
  /** Requests of one connection that are being handled; at the limit its socket is not read. Deferred ones do not count. */
  readonly inFlightRequestsMax: number;
  /** Unsent bytes of one connection at which its socket is not read any more. */
  readonly writeBufferPauseBytes: number;
  /** Unsent bytes of one connection at which it is cut. */
  readonly writeBufferBytesMax: number;
  /** A connection on which nothing moved for this long is closed. */
  readonly idleTimeoutMs: number;
  /** A new connection must send its first whole frame within this time. */
  readonly firstFrameTimeoutMs: number;
  /** A frame that has begun must get on, by 16 KiB or to its end, within each period of this length. */
  readonly frameProgressTimeoutMs: number;
  readonly connectionCountMax: number;
  /** Requests to one peer that wait for its answer. */
  readonly pendingInvokesMax: number;
}

export const defaultRemotingLimits: RemotingLimits = {
  frameSizeBytesMax: 16 * 1024 * 1024,
  headerSizeBytesMax: 256 * 1024,
  extFieldCountMax: 128,
  inFlightRequestsMax: 1024,
  writeBufferPauseBytes: 1024 * 1024,
  writeBufferBytesMax: 32 * 1024 * 1024,
  idleTimeoutMs: 120_000,
  firstFrameTimeoutMs: 10_000,
  frameProgressTimeoutMs: 30_000,
  connectionCountMax: 10_000,
  pendingInvokesMax: 4096,
};
