// The name server's settings under Apache's keys.

import type { ConfigTable } from '../../base/config-table.ts';

export const namesrvConfigTable = {
  listenPort: {
    type: 'integer',
    unit: '(TCP port)',
    default: 9876,
    min: 0,
    max: 65_535,
    sentence: 'The port for brokers and clients; 0 takes a free one.',
    origin: 'NettyServerConfig',
    needsRestart: true,
  },
  bindAddress: {
    type: 'text',
    default: '127.0.0.1',
    sentence: 'The address to listen on. Apache listens on 0.0.0.0; here a server is open to others only when told so.',
    origin: 'NettyServerConfig',
    needsRestart: true,
  },
  scanNotActiveBrokerInterval: {
    type: 'integer',
    unit: 'ms',
    default: 5_000,
    min: 10,
    max: 600_000,
    sentence: 'How often brokers that fell silent are looked for.',
    origin: 'NamesrvConfig',
    needsRestart: true,
  },
} as const satisfies ConfigTable;
