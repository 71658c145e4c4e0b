// Runs a TypeScript module in a plain Node process: node run-typescript.mjs FILE

import process from 'node:process';
import { runnerImport } from 'vite';

await runnerImport(process.argv[2], { configFile: false, logLevel: 'error' });
