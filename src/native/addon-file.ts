// Where the addon lies and how it is made, for those who have to know before they load it.

import { fileURLToPath } from 'node:url';

// The same two steps up from src/native and from dist/native.
export const addonFile = fileURLToPath(new URL('../../native/build/cometmq_native.node', import.meta.url));

/** Compiles it; Node and a C++17 compiler are all that it needs, in a clone as in an installed package. */
export const addonBuildScript = fileURLToPath(new URL('../../scripts/build-native.mjs', import.meta.url));

/** For messages. */
export const addonBuildCommand = `node ${addonBuildScript}`;
