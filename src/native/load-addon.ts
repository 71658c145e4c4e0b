// Loads the native addon: the only importer of a .node file. The interface below is what native/README.md tabulates.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

import { describeError } from '../base/errors.ts';
import { addonBuildCommand, addonFile } from './addon-file.ts';
import { NativeError } from './native-error.ts';

/** A number that names an open region in this environment; 0 is none. */
export type RegionHandle = number;

/** The addon's functions. They check types, state and bounds; src/native words their errors. */
export interface NativeAddon {
  readonly interfaceVersion: number;
  crc32(bytes: Uint8Array, offset: number, length: number, seed: number): number;
  openRegion(path: string, sizeBytes: number, flags: number): Promise<RegionHandle>;
  openRegionSync(path: string, sizeBytes: number, flags: number): RegionHandle;
  regionBuffer(handle: RegionHandle): ArrayBuffer;
  closeRegion(handle: RegionHandle): Promise<void>;
  pinRegion(handle: RegionHandle): void;
  unpinRegion(handle: RegionHandle): void;
  runOnRegion(handle: RegionHandle, position: number, length: number, job: number): Promise<void>;
  readRegion(handle: RegionHandle, position: number, length: number, target: Uint8Array): Promise<number>;
  adviseRegion(handle: RegionHandle, position: number, length: number, advice: number): void;
  isRegionResident(handle: RegionHandle, position: number, length: number): boolean;
  readFileAt(path: string, position: number, length: number, target: Uint8Array): Promise<number>;
  nextData(path: string, position: number): number;
  writeFiles(
    paths: string,
    numbers: Float64Array,
    bytes: Uint8Array,
    withSync: number,
  ): Promise<(number | Error)[] | null>;
  syncPath(path: string, wholeFileSystem: number): Promise<void>;
  lockFile(path: string, contents: string): number | string;
  unlockFile(lock: number): void;
}

const INTERFACE_VERSION = 2;

/** Loads the addon built at `file`. Throws 'ERR_NATIVE_ADDON' with the command that helps. */
export function loadAddonFrom(file: string): NativeAddon {
  if (!existsSync(file)) {
    throw new NativeError('ERR_NATIVE_ADDON', `the native addon ${file} is missing; run: ${addonBuildCommand}`, {
      file,
    });
  }
  let addon: NativeAddon;
  try {
    addon = createRequire(import.meta.url)(file) as NativeAddon;
  } catch (error) {
    const message = `the native addon ${file} can't be loaded (${describeError(error)}); run: ${addonBuildCommand}`;
    throw new NativeError('ERR_NATIVE_ADDON', message, { file }, { cause: error });
  }
  if (addon.interfaceVersion !== INTERFACE_VERSION) {
    const message = `the native addon ${file} is of another version of CometMQ; run: ${addonBuildCommand}`;
    throw new NativeError('ERR_NATIVE_ADDON', message, { file, interfaceVersion: addon.interfaceVersion });
  }
  return addon;
}

/** The addon. COMETMQ_NATIVE names another binary (the AddressSanitizer build in CI). */
export const nativeAddon: NativeAddon = loadAddonFrom(process.env['COMETMQ_NATIVE'] ?? addonFile);
