// Argument and error helpers: see napi_check.h.
#include "napi_check.h"

napi_value ThrowCoded(napi_env env, const char* code, const char* message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, code, message);
  return nullptr;
}

napi_value ThrowUnexpected(napi_env env, const char* call) { return ThrowCoded(env, "ERR_NATIVE_UNEXPECTED", call); }

static void SetProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

napi_value MakeSystemError(napi_env env, const Outcome& outcome) {
  napi_value message = nullptr;
  napi_value call = nullptr;
  napi_value error = nullptr;
  if (napi_create_string_utf8(env, outcome.call, NAPI_AUTO_LENGTH, &call) != napi_ok) return nullptr;
  message = call;
  if (napi_create_error(env, nullptr, message, &error) != napi_ok) return nullptr;
  SetProperty(env, error, "syscall", call);
  if (outcome.error == kWrongFileSize) {
    SetProperty(env, error, "fileSizeBytes", Number(env, outcome.value));
  } else {
    SetProperty(env, error, "errno", Number(env, outcome.error));
  }
  return error;
}

napi_value ThrowSystemError(napi_env env, const Outcome& outcome) {
  napi_value error = MakeSystemError(env, outcome);
  if (error != nullptr) napi_throw(env, error);
  return nullptr;
}

napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value Number(napi_env env, int64_t number) {
  napi_value value = nullptr;
  napi_create_int64(env, number, &value);
  return value;
}

bool ToInteger(double number, int64_t* integer) {
  const bool safe = number >= -9007199254740991.0 && number <= 9007199254740991.0;  // false for NaN
  if (!safe || static_cast<double>(static_cast<int64_t>(number)) != number) return false;
  *integer = static_cast<int64_t>(number);
  return true;
}

bool Arguments::Refuse(const char* message) const {
  ThrowCoded(env_, "ERR_NATIVE_ARGUMENT", message);
  return false;
}

bool Arguments::Integer(size_t index, int64_t* value) const {
  double number = 0;
  if (napi_get_value_double(env_, values_[index], &number) != napi_ok) return Refuse("a number is expected");
  return ToInteger(number, value) || Refuse("a whole number is expected");
}

bool Arguments::Uint32(size_t index, uint32_t* value) const {
  return napi_get_value_uint32(env_, values_[index], value) == napi_ok || Refuse("a number is expected");
}

bool Arguments::String(size_t index, std::string* value) const {
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
    return Refuse("a string is expected");
  }
  value->resize(length + 1);  // room for the NUL that Node-API writes
  napi_get_value_string_utf8(env_, values_[index], &(*value)[0], length + 1, &length);
  value->resize(length);
  return true;
}

bool Arguments::Path(size_t index, std::string* value) const {
  if (!String(index, value)) return false;
  if (value->empty() || value->find('\0') != std::string::npos) return Refuse("a path is expected");
  return true;
}

bool Arguments::Bytes(size_t index, uint8_t** data, size_t* length) const {
  napi_typedarray_type type = napi_int32_array;
  void* address = nullptr;
  napi_status status = napi_get_typedarray_info(env_, values_[index], &type, length, &address, nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) return Refuse("a Uint8Array is expected");
  *data = static_cast<uint8_t*>(address);
  return true;
}

bool Arguments::Doubles(size_t index, const double** data, size_t* count) const {
  napi_typedarray_type type = napi_int32_array;
  void* address = nullptr;
  napi_status status = napi_get_typedarray_info(env_, values_[index], &type, count, &address, nullptr, nullptr);
  if (status != napi_ok || type != napi_float64_array) return Refuse("a Float64Array is expected");
  *data = static_cast<const double*>(address);
  return true;
}
