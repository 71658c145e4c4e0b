// The native addon, before the first use of a package that was installed without running its install script (npm's
// --ignore-scripts, or a policy that says so): compiled then, once.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { CometError } from '../base/errors.ts';
import { addonBuildCommand, addonBuildScript, addonFile } from '../native/addon-file.ts';

export function ensureAddon(): void {
  if (process.env['COMETMQ_NATIVE'] !== undefined || existsSync(addonFile)) return;
  process.stderr.write('cometmq: compiling the native addon, which the installation left out; this happens once …\n');
  const { status, stderr } = spawnSync(process.execPath, [addonBuildScript, '--if-missing'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status === 0) return;
  process.stderr.write(stderr);
  const message = `The native addon can't be compiled; the lines above say why. Then start again, or run: ${addonBuildCommand}`;
  throw new CometError('ERR_ADDON_MISSING', message, { status });
}
