// Errors and values for JavaScript: see napi_check.h.
#include "napi_check.h"

napi_value ThrowCoded(napi_env env, const char* code, const char* message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, code, message);
  return nullptr;
}

napi_value MakeSystemError(napi_env env, const Outcome& outcome) {
  napi_value call = nullptr;
  napi_value error = nullptr;
  if (napi_create_string_utf8(env, outcome.call, NAPI_AUTO_LENGTH, &call) != napi_ok) return nullptr;
  if (napi_create_error(env, nullptr, call, &error) != napi_ok) return nullptr;
  napi_set_named_property(env, error, "syscall", call);
  const bool wrong_size = outcome.error == kWrongFileSize;
  napi_set_named_property(env, error, wrong_size ? "fileSizeBytes" : "errno",
                          Number(env, wrong_size ? outcome.value : outcome.error));
  return error;
}

napi_value Number(napi_env env, int64_t number) {
  napi_value value = nullptr;
  napi_create_int64(env, number, &value);
  return value;
}

napi_value Finish(napi_env env, const Outcome& outcome) {
  napi_value value = nullptr;
  if (!outcome.ok()) {
    napi_value error = MakeSystemError(env, outcome);
    if (error != nullptr) napi_throw(env, error);
  } else if (outcome.value >= 0) {
    value = Number(env, outcome.value);
  } else {
    napi_get_undefined(env, &value);
  }
  return value;
}
