// REGISTER_BROKER, UNREGISTER_BROKER and QUERY_DATA_VERSION: what brokers say about themselves.

import { crc32 } from '../../base/crc32.ts';
import type { Logger } from '../../base/logger.ts';
import { BodyReader } from '../../remoting/protocol/body-reader.ts';
import { encodeDataVersion, readDataVersion } from '../../remoting/protocol/body/data-version-body.ts';
import { decodeRegisterBrokerBody } from '../../remoting/protocol/body/register-broker-body.ts';
import { parseJavaJson } from '../../remoting/protocol/java-json-parser.ts';
import type { RemotingCommand, RemotingResponse } from '../../remoting/protocol/remoting-command.ts';
import { invalidParameter } from '../../remoting/protocol/remoting-errors.ts';
import { decodeHeader } from '../../remoting/protocol/request-headers.ts';
import { RequestCode } from '../../remoting/protocol/request-code.ts';
import { ResponseCode } from '../../remoting/protocol/response-code.ts';
import { responseHeader } from '../../remoting/protocol/response-headers.ts';
import type { Connection } from '../../remoting/transport/connection.ts';
import type { BrokerIdentity, RouteInfoTable } from '../route-info-table.ts';

/** Java masks its CRC so that it is no negative int. */
const CRC_MASK = 0x7fff_ffff;
/** Longer than any host name, shorter than a line. Host names are broker names by default, so a dot is fine. */
const NAME_PATTERN = /^[\x21-\x7e]{1,255}$/;
const ADDRESS_PATTERN = /^[\x21-\x7e]{1,255}:\d{1,5}$/;

/** Three numbers. */
const DATA_VERSION_PARSE_LIMITS = { depthMax: 4, sizeBytesMax: 4096 };

export interface RegistrationContext {
  readonly table: RouteInfoTable<Connection>;
  readonly logger: Logger;
  readonly nowMs: () => number;
}

export function registerBroker(
  { table, logger, nowMs }: RegistrationContext,
  request: RemotingCommand,
  connection: Connection,
): RemotingResponse {
  const header = decodeHeader(RequestCode.REGISTER_BROKER, request);
  const identity = checkedIdentity(header);
  const { bodyCrc32 = 0 } = header;
  if (bodyCrc32 !== 0 && (crc32(request.body) & CRC_MASK) !== bodyCrc32) {
    return { code: ResponseCode.SYSTEM_ERROR, remark: 'crc32 not match' };
  }
  const { dataVersion, topics } = decodeRegisterBrokerBody(request.body, header.compressed ?? false);
  const illegal = topics.find(({ topicName }) => !NAME_PATTERN.test(topicName));
  if (illegal !== undefined) {
    throw invalidParameter(`The topic name ${JSON.stringify(illegal.topicName.slice(0, 64))} can not be registered.`);
  }
  const isNew = table.dataVersionOf(identity.clusterName, identity.brokerAddr) === undefined;
  const registration = {
    ...identity,
    haServerAddr: header.haServerAddr,
    heartbeatTimeoutMs: header.heartbeatTimeoutMillis,
    enableActingMaster: header.enableActingMaster,
    dataVersion,
    topics,
  };
  const result = table.register(registration, connection, nowMs());
  switch (result.status) {
    case 'registered': {
      if (isNew) logger.info('namesrv.broker.registered', { ...identity, topicCount: topics.length });
      const { masterAddr, haServerAddr } = result;
      const extFields = responseHeader(RequestCode.REGISTER_BROKER, { masterAddr, haServerAddr });
      return { code: ResponseCode.SUCCESS, extFields };
    }
    case 'conflict':
      // Apache says success too: the broker that was replaced must not retry, it must find out its new role.
      logger.warn('namesrv.broker.conflict', { ...identity, registeredAddr: result.registeredAddr });
      return { code: ResponseCode.SUCCESS, extFields: {} };
    case 'not-registered-yet':
      return { code: ResponseCode.SYSTEM_ERROR, remark: 'register broker failed', extFields: {} };
  }
}

export function unregisterBroker({ table, logger }: RegistrationContext, request: RemotingCommand): RemotingResponse {
  const { clusterName, brokerName, brokerId, brokerAddr } = decodeHeader(RequestCode.UNREGISTER_BROKER, request);
  const identity = { clusterName, brokerName, brokerId, brokerAddr };
  if (table.unregister(identity)) logger.info('namesrv.broker.unregistered', { ...identity, reason: 'asked to' });
  return { code: ResponseCode.SUCCESS };
}

/** Whether a broker has to register again. Asking is a sign of life. */
export function queryDataVersion({ table, nowMs }: RegistrationContext, request: RemotingCommand): RemotingResponse {
  const { clusterName, brokerAddr } = decodeHeader(RequestCode.QUERY_DATA_VERSION, request);
  const asked = readDataVersion(new BodyReader(parseJavaJson(request.body, DATA_VERSION_PARSE_LIMITS)));
  const changed = table.isDataVersionChanged({ clusterName, brokerAddr }, asked);
  table.touch(clusterName, brokerAddr, nowMs());
  const known = table.dataVersionOf(clusterName, brokerAddr);
  return {
    code: ResponseCode.SUCCESS,
    extFields: responseHeader(RequestCode.QUERY_DATA_VERSION, { changed }),
    body: known === undefined ? undefined : encodeDataVersion(known),
  };
}

function checkedIdentity({ clusterName, brokerName, brokerId, brokerAddr }: BrokerIdentity): BrokerIdentity {
  if (!NAME_PATTERN.test(brokerName)) throw invalidParameter('A broker registers with a name without blanks.');
  if (!NAME_PATTERN.test(clusterName)) throw invalidParameter('A broker registers with a cluster name without blanks.');
  if (!ADDRESS_PATTERN.test(brokerAddr)) throw invalidParameter('A broker registers with an address host:port.');
  if (brokerId < 0) throw invalidParameter('A broker registers with an id that is not negative.');
  return { clusterName, brokerName, brokerId, brokerAddr };
}
