// The file `abort`: there while a store is open, gone after a clean stop. Finding it at open means that the process died
// (Java: DefaultMessageStore.createTempFile).

import { dirname } from 'node:path';
import type { FileSystem } from '../file-system.ts';

export function hasAbortFile(fileSystem: FileSystem, path: string): boolean {
  return fileSystem.statusSync(path) !== undefined;
}

/** Durable when it resolves; call it before the first write to the store. Empty: Apache writes its process id, but reads only whether the file is there. */
export async function createAbortFile(fileSystem: FileSystem, path: string): Promise<void> {
  await fileSystem.replaceFile(path, new Uint8Array(0));
}

/** Durable when it resolves; call it after everything else is. */
export async function removeAbortFile(fileSystem: FileSystem, path: string): Promise<void> {
  await fileSystem.remove(path);
  await fileSystem.syncDirectory(dirname(path));
}
