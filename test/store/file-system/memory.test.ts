// The crashable file system behaves like a real one while nothing crashes.

import { CrashableFileSystem } from '../../support/crashable-file-system.ts';
import { fileSystemSuite } from '../../support/file-system-suite.ts';

for (const seed of [1, 2, 3]) {
  const open = () => {
    const fileSystem = new CrashableFileSystem({ seed });
    fileSystem.makeDirectorySync('/data');
    return { fileSystem, directory: '/data', dispose: () => undefined };
  };
  fileSystemSuite(`memory (seed ${seed})`, open, { detachesViews: true });
}
