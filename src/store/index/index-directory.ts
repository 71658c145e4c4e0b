// The index files that a directory holds. One that can't be right is removed with all behind it: the index is a view, and the
// answer names the log offset from which records have to be dispatched again.

import type { Logger } from '../../base/logger.ts';
import type { FileSystem } from '../file-system.ts';
import {
  fileSizeOf,
  FIRST_INDEX,
  HEADER_SIZE_BYTES,
  type IndexGeometry,
  type IndexHeader,
  isIndexFileName,
  readHeader,
} from './index-layout.ts';

/** A file that is not being written. */
export interface SealedIndexFile {
  readonly name: string;
  readonly header: IndexHeader;
}

export interface IndexDirectory {
  /** The oldest first. */
  readonly files: SealedIndexFile[];
  readonly rebuildFrom: number | undefined;
}

/** Lists and checks names, sizes and headers; makes the directory when it is missing. Throws FileSystemErrors. */
export function openIndexDirectory(options: {
  fileSystem: FileSystem;
  directory: string;
  geometry: IndexGeometry;
  logger: Logger;
}): IndexDirectory {
  const { fileSystem, directory, geometry, logger } = options;
  if (fileSystem.statusSync(directory) === undefined) {
    fileSystem.makeDirectorySync(directory);
    return { files: [], rebuildFrom: 0 };
  }
  const names = fileSystem.listSync(directory);
  for (const name of names) {
    if (!isIndexFileName(name)) logger.warn('store.index.unknown-file', { directory, name });
  }
  const files: SealedIndexFile[] = [];
  const candidates = names.filter(isIndexFileName);
  for (const [position, name] of candidates.entries()) {
    const opened = openFile(fileSystem, `${directory}/${name}`, geometry);
    if (typeof opened === 'string') {
      logger.warn('store.index.damaged', { directory, file: name, reason: opened });
      for (const lost of candidates.slice(position)) fileSystem.removeSync(`${directory}/${lost}`);
      return { files, rebuildFrom: files.at(-1)?.header.endPhyOffset ?? 0 };
    }
    // A file that was made ahead and never used; behind it there may be one that Apache made.
    if (opened.indexCount === FIRST_INDEX) fileSystem.removeSync(`${directory}/${name}`);
    else files.push({ name, header: opened });
  }
  return { files, rebuildFrom: undefined };
}

/** The header, or what is wrong. */
function openFile(fileSystem: FileSystem, path: string, geometry: IndexGeometry): IndexHeader | string {
  const sizeBytes = fileSystem.statusSync(path)?.sizeBytes;
  if (sizeBytes !== fileSizeOf(geometry))
    return `it has ${String(sizeBytes)} bytes where ${fileSizeOf(geometry)} are expected`;
  const bytes = fileSystem.readFileAtSync(path, 0, HEADER_SIZE_BYTES);
  const header = readHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return header.indexCount > geometry.entryCountMax ? `its header counts ${header.indexCount} entries` : header;
}
