// Whether two plain values are the same, field by field, without an operator== of theirs.
#ifndef RAGMESH_TESTS_FUZZ_WIRE_SAME_H_
#define RAGMESH_TESTS_FUZZ_WIRE_SAME_H_

#include <boost/pfr/core.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "libs/stages/generator.h"

namespace ragmesh::wire {

bool Same(const stages::ChatPrompt& a, const stages::ChatPrompt& b);
template <typename T>
bool Same(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b);
template <typename T>
bool Same(const std::optional<T>& a, const std::optional<T>& b);
template <typename T>
bool Same(const std::vector<T>& a, const std::vector<T>& b);
template <typename... T>
bool Same(const std::variant<T...>& a, const std::variant<T...>& b);

// Floating point numbers by their bits, so that NaN is the same as NaN. Any other type that has an
// operator== uses it; structs are compared field by field, whatever fields they will have.
template <typename T>
bool Same(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::memcmp(&a, &b, sizeof(T)) == 0;
  } else if constexpr (std::is_aggregate_v<T>) {
    bool same = true;
    boost::pfr::for_each_field(a, [&](const auto& field, auto index) {
      same = same && Same(field, boost::pfr::get<index>(b));
    });
    return same;
  } else {
    return a == b;
  }
}

template <typename T>
bool Same(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
  return Same(*a, *b);
}

template <typename T>
bool Same(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a.has_value() || Same(*a, *b));
}

template <typename T>
bool Same(const std::vector<T>& a, const std::vector<T>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = Same(a[i], b[i]);
  return same;
}

template <typename... T>
bool Same(const std::variant<T...>& a, const std::variant<T...>& b) {
  return a.index() == b.index() &&
         std::visit(
             [&b](const auto& value) {
               return Same(value, std::get<std::decay_t<decltype(value)>>(b));
             },
             a);
}

// No aggregate.
inline bool Same(const stages::ChatPrompt& a, const stages::ChatPrompt& b) {
  return Same(a.messages, b.messages) && Same(a.tools, b.tools);
}

}  // namespace ragmesh::wire

#endif  // RAGMESH_TESTS_FUZZ_WIRE_SAME_H_
