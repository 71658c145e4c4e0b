// npm run bench:apache [-- --rounds N --seconds N --only WORD]: see apache-bench.ts. The harness is TypeScript and is loaded through
// vite; what is measured are other processes.

import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const { module } = await runnerImport(fileURLToPath(new URL('apache-bench.ts', import.meta.url)), {
  logLevel: 'error',
  configFile: false,
});
process.exitCode = await module.main(process.argv.slice(2));
