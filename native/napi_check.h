// What came of a call of the operating system or of Node-API, and how JavaScript gets to know. The addon's only macro.
#pragma once

#define NAPI_VERSION 8
#include <errno.h>
#include <node_api.h>

#include <cstdint>

// Ends the calling function with a pending exception when a Node-API call fails. Only for functions that return a
// napi_value to JavaScript. A failing Node-API call often leaves its own exception pending; that one is kept.
#define NAPI_CHECK(env, call)                                                       \
  do {                                                                              \
    if ((call) != napi_ok) return ThrowCoded(env, "ERR_NATIVE_UNEXPECTED", #call); \
  } while (false)

// What a piece of work came to: an errno with the name of the call that set it, or a value.
struct Outcome {
  int error = 0;
  const char* call = "";
  int64_t value = -1;  // a number for JavaScript when it is not negative

  static Outcome Failed(const char* call, int error = errno) { return Outcome{error, call, -1}; }
  // Of a system call that returns 0 or sets errno.
  static Outcome Of(int result, const char* call) { return result == 0 ? Outcome{} : Failed(call); }
  bool ok() const { return error == 0; }
};

// In `Outcome::error` where errno has no word for it; `value` is then the size that the file really has.
constexpr int kWrongFileSize = -1;

// `code` is one of the ERR_NATIVE_ codes of src/native/native-error.ts. All that throw return null.
napi_value ThrowCoded(napi_env env, const char* code, const char* message);
// An Error with the fields `errno`, `syscall` and, for kWrongFileSize, `fileSizeBytes`; TypeScript words the message.
napi_value MakeSystemError(napi_env env, const Outcome& outcome);
napi_value Number(napi_env env, int64_t value);
// What JavaScript gets for an outcome: throws the error, or returns the value or undefined.
napi_value Finish(napi_env env, const Outcome& outcome);
