// The unit of the Remoting protocol: a request or a response (Java: RemotingCommand). What arrived is a RemotingCommand; what
// is to be sent is a RemotingRequest or a RemotingResponse, because the transport, not the caller, knows opaque, flag and version.

import type { ExtFields, OutgoingFields } from './ext-fields.ts';
import type { LanguageName } from './language-code.ts';

export type SerializeType = 'JSON' | 'ROCKETMQ';

/** Bits of the header's flag. */
export const CommandFlag = { RESPONSE: 0x1, ONEWAY: 0x2 } as const;

/**
 * The version that we report: the ordinal of V5_5_0 in Java's MQVersion, the release whose behaviour we have. Clients switch on
 * it (route JSON, heartbeat v2, signature), so a number of our own would mean something else to them.
 */
export const REMOTING_VERSION = 513;

/** A request or response that arrived. */
export class RemotingCommand {
  readonly code: number;
  readonly language: LanguageName;
  readonly version: number;
  /** Matches a response to its request, per direction. int32. */
  readonly opaque: number;
  /** {@link CommandFlag} bits. */
  readonly flag: number;
  readonly remark: string | undefined;
  /** All fields, also those that no table knows. */
  readonly extFields: ExtFields;
  /** A view of the bytes read from the socket, empty when there was no body. Stays valid, but holds up to 64 KiB: copy to keep. */
  readonly body: Buffer;
  /** How the header was encoded. */
  readonly serializeType: SerializeType;

  constructor(header: CommandHeader, body: Buffer, serializeType: SerializeType) {
    this.code = header.code;
    this.language = header.language;
    this.version = header.version;
    this.opaque = header.opaque;
    this.flag = header.flag;
    this.remark = header.remark;
    this.extFields = header.extFields;
    this.body = body;
    this.serializeType = serializeType;
  }

  get isResponse(): boolean {
    return (this.flag & CommandFlag.RESPONSE) !== 0;
  }

  get isOneway(): boolean {
    return (this.flag & CommandFlag.ONEWAY) !== 0;
  }
}

/** A decoded header, before it is joined with its body. */
export interface CommandHeader {
  readonly code: number;
  readonly language: LanguageName;
  readonly version: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark: string | undefined;
  readonly extFields: ExtFields;
}

/** A request to send. `createRequest` in request-headers.ts makes one with a typed header. */
export interface RemotingRequest {
  readonly code: number;
  readonly extFields?: OutgoingFields | undefined;
  readonly body?: Buffer | undefined;
}

/**
 * A response to send.
 * `body` may be a list of views (of mapped memory, say): they are written without being copied, and must not change until
 * `release` is called, which happens exactly once, when the socket took the last byte or the connection died.
 */
export interface RemotingResponse {
  /** See {@link ResponseCode}. */
  readonly code: number;
  readonly remark?: string | undefined;
  /** `responseHeader` in response-headers.ts checks the fields by request code. */
  readonly extFields?: OutgoingFields | undefined;
  readonly body?: Buffer | readonly Buffer[] | undefined;
  readonly release?: (() => void) | undefined;
}
