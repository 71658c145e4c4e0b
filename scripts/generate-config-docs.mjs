// Writes docs/CONFIGURATION.md. Run after a build: npm run docs:config does both.

import { writeFileSync } from 'node:fs';
import { configurationDocs } from '../dist/server/config/configuration-docs.js';

writeFileSync(new URL('../docs/CONFIGURATION.md', import.meta.url), configurationDocs());
