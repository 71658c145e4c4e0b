// Files that are not mapped: reads and batched small writes by path, directory and file-system sync, and the
// lock that says who owns a directory.
#ifndef NATIVE_FILE_TASKS_H_
#define NATIVE_FILE_TASKS_H_

#include <sys/types.h>

#include <vector>

#include "napi_check.h"

// Reads until `length` bytes came or the file ended; the value is the count.
Outcome ReadFully(int descriptor, uint8_t* target, size_t length, off_t position);
// Makes the file's bytes and size durable, beyond the device's own cache.
Outcome SyncData(int descriptor);

const std::vector<Function>& FileFunctions();

#endif  // NATIVE_FILE_TASKS_H_
