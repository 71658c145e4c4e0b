// Reading and checking arguments: see call.h.
#include "call.h"

bool ToInteger(double number, int64_t* integer) {
  const bool safe = number >= -9007199254740991.0 && number <= 9007199254740991.0;  // false for NaN
  if (!safe || static_cast<double>(static_cast<int64_t>(number)) != number) return false;
  *integer = static_cast<int64_t>(number);
  return true;
}

bool Call::Read(int64_t* value) {
  double number = 0;
  if (napi_get_value_double(env, arguments_[next_++], &number) != napi_ok) return Refuse("a number is expected");
  return ToInteger(number, value) || Refuse("a whole number is expected");
}

bool Call::Read(std::string* value) {
  const napi_value argument = arguments_[next_++];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, argument, nullptr, 0, &length) != napi_ok) return Refuse("a string is expected");
  value->resize(length + 1);  // room for the NUL that Node-API writes
  napi_get_value_string_utf8(env, argument, value->data(), length + 1, &length);
  value->resize(length);
  return true;
}

bool Call::Read(Path* value) {
  if (!Read(&value->text)) return false;
  return (!value->text.empty() && value->text.find('\0') == std::string::npos) || Refuse("a path is expected");
}

bool Call::Read(Region** value) {
  int64_t handle = 0;
  if (!Read(&handle)) return false;
  *value = environment->FindRegion(handle);
  return (*value != nullptr && !(*value)->is_closing()) || Refuse("the region is closed", "ERR_NATIVE_CLOSED");
}

bool Call::Read(Range* value) {
  int64_t position = 0;
  int64_t length = 0;
  if (!Read(&value->region) || !Read(&position) || !Read(&length)) return false;
  const int64_t size = static_cast<int64_t>(value->region->size);
  if (position < 0 || length < 0 || position > size || length > size - position) {
    return Refuse("the range is not inside the region", "ERR_NATIVE_RANGE");
  }
  value->position = static_cast<size_t>(position);
  value->length = static_cast<size_t>(length);
  return true;
}
