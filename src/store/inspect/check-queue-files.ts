// What names and sizes of a consume queue's files must be.

import { UNIT_SIZE_BYTES } from '../consume-queue/consume-queue-layout.ts';
import type { Findings } from './finding.ts';
import type { QueueDirectory, QueueListing } from './queue-files.ts';

export function checkQueueFiles(listing: QueueListing, findings: Findings): void {
  for (const path of listing.strangers) {
    findings.violation('queue-name', `${path} is not the directory of a topic or queue.`, { path });
  }
  for (const queue of listing.queues) checkQueue(queue, listing.fileSizeBytes, findings);
}

function checkQueue(queue: QueueDirectory, fileSizeBytes: number, findings: Findings): void {
  const { topic, queueId, path, files, strangers } = queue;
  for (const stranger of strangers) {
    findings.violation('queue-file-name', `${stranger} does not have the name of a queue's file (20 digits).`, {
      topic,
      queueId,
      path: stranger,
    });
  }
  if (files.length === 0) findings.note('queue-without-files', `${path} has no files.`, { topic, queueId, path });
  for (const [index, file] of files.entries()) {
    const details = { topic, queueId, path: file.path };
    if (file.startBytes % fileSizeBytes !== 0 || file.startBytes % UNIT_SIZE_BYTES !== 0) {
      const message = `${file.path} does not begin at a multiple of the file size ${fileSizeBytes}.`;
      findings.violation('queue-file-name', message, details);
    }
    if (file.sizeBytes !== fileSizeBytes) {
      const message = `${file.path} has ${file.sizeBytes} bytes where ${fileSizeBytes} are expected.`;
      findings.violation('queue-file-size', message, {
        ...details,
        sizeBytes: file.sizeBytes,
        expectedBytes: fileSizeBytes,
      });
    }
    const before = files[index - 1];
    if (before === undefined || before.startBytes + fileSizeBytes >= file.startBytes) continue;
    const missing = `${path}/${String(before.startBytes + fileSizeBytes).padStart(20, '0')}`;
    findings.violation('queue-file-missing', `${missing} is missing: ${file.path} comes behind it.`, {
      ...details,
      path: missing,
    });
  }
}
